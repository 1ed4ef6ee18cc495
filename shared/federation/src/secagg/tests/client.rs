use proptest::prelude::*;

use super::*;

#[test]
fn the_roster_must_show_this_clinic_as_it_is() {
    let params = params(4, 3, 10);
    let mut clients = clients(&params, 1);
    let all = adverts(&clients);
    let me = &mut clients[0];
    assert_eq!(me.share(all[1..].to_vec()), Err(Error::OwnAdvert));
    let mut altered = all.clone();
    altered[0].1.mask_public = [9; 32];
    assert_eq!(me.share(altered), Err(Error::OwnAdvert));
    let few = Error::BelowThreshold {
        what: "clinics in the roster",
        have: 2,
        need: 3,
    };
    assert_eq!(me.share(all[..2].to_vec()), Err(few));
    let mut doubled = all[..3].to_vec();
    doubled.push(doubled[1].clone());
    assert_eq!(me.share(doubled), Err(Error::Duplicate { clinic: clinic(1) }));
    let mut one_key = all.clone();
    one_key[3].1.channel_public = one_key[2].1.mask_public;
    assert_eq!(me.share(one_key), Err(Error::Duplicate { clinic: clinic(3) }));
    let mut no_key = all.clone();
    no_key[2].1.mask_public = [0; 32];
    assert_eq!(me.share(no_key), Err(Error::BadKey { clinic: clinic(2) }));
    let mut crowd = all.clone();
    crowd.push((clinic(9), all[1].1));
    assert_eq!(me.share(crowd), Err(Error::TooMany { most: 4 }));

    let shares = me.share(all[..3].to_vec()).unwrap();
    assert_eq!(me.share(all.clone()), Err(Error::Changed));
    assert_eq!(me.share(all[..3].iter().rev().cloned()).unwrap(), shares);
}

#[test]
fn steps_out_of_order_are_refused() {
    let params = params(3, 3, 10);
    let mut clients = clients(&params, 1);
    let all = adverts(&clients);
    let me = &mut clients[0];
    assert!(matches!(me.open(&Inbox::new()), Err(Error::OutOfOrder { .. })));
    assert!(matches!(me.mask(0, &[0; 11]), Err(Error::OutOfOrder { .. })));
    assert!(matches!(me.unmask(&ids(0..3)), Err(Error::OutOfOrder { .. })));
    me.share(all.clone()).unwrap();
    assert!(matches!(me.unmask(&ids(0..3)), Err(Error::OutOfOrder { .. })));

    let (mut clients, _) = masking(&params, 1);
    let me = &mut clients[0];
    assert!(matches!(me.share(all.clone()), Err(Error::OutOfOrder { .. })));
    me.unmask(&ids(0..3)).unwrap();
    assert!(matches!(me.mask(0, &[0; 11]), Err(Error::OutOfOrder { .. })));
    assert!(matches!(me.share(all), Err(Error::OutOfOrder { .. })));
    assert!(matches!(me.advert(), Err(Error::OutOfOrder { .. })));
}

#[test]
fn a_clinic_answers_one_question_and_never_both_kinds_for_one_peer() {
    let (mut clients, _) = masking(&params(5, 4, 10), 1);
    let me = &mut clients[2];
    assert!(matches!(
        me.unmask(&ids(0..3)),
        Err(Error::BelowThreshold { have: 3, need: 4, .. })
    ));
    assert_eq!(
        me.unmask(&ids([0, 1, 3, 7])),
        Err(Error::Unknown { clinic: clinic(7) })
    );
    let answer = me.unmask(&ids([0, 1, 3, 4])).unwrap();
    assert!(answer.self_seeds.keys().cloned().eq(ids([0, 1, 3, 4])));
    assert!(answer.mask_seeds.keys().cloned().eq(ids([2])));
    assert_eq!(me.unmask(&ids([0, 1, 3, 4])).unwrap(), answer);
    assert_eq!(me.unmask(&ids([0, 1, 2, 4])), Err(Error::Changed));
    killed_and_restarted(me);
    assert_eq!(me.unmask(&ids([0, 1, 2, 4])), Err(Error::Changed));
}

#[test]
fn a_third_in_league_with_a_lying_hub_do_not_get_both_kinds_of_share() {
    for n in [6_u16, 8, 9] {
        let context = params(3, 3, 1).context().clone();
        let weakest =
            (1..=n).find_map(|threshold| Params::new(n, threshold, 1, 1.0, 1000, context.clone()).ok());
        let weakest = weakest.unwrap();
        let (clients, _) = masking(&weakest, 1);
        let n = usize::from(n);
        let answer = |client: &Client, survivors: &BTreeSet<ClinicId>| {
            let mut client = Client::from_bytes(&client.to_bytes().unwrap()).unwrap();
            client.unmask(survivors).unwrap()
        };
        let (stayed, dropped) = (ids(0..n), ids(1..n));
        let gives = |client: &Client| {
            let own = answer(client, &stayed).self_seeds.contains_key(&clinic(0));
            let pairs = answer(client, &dropped).mask_seeds.contains_key(&clinic(0));
            (usize::from(own), usize::from(pairs))
        };
        let gives: Vec<(usize, usize)> = clients.iter().map(gives).collect();
        // The honest answer what they are told first, those in league both.
        let honest = n - n / 3;
        for told_it_stayed in 0..=honest {
            let own: usize = gives[..told_it_stayed].iter().map(|(own, _)| own).sum();
            let pairs: usize = gives[told_it_stayed..honest].iter().map(|(_, pairs)| pairs).sum();
            let both = gives[honest..]
                .iter()
                .fold((own, pairs), |sum, one| (sum.0 + one.0, sum.1 + one.1));
            let threshold = usize::from(weakest.threshold());
            assert!(
                both.0 < threshold || both.1 < threshold,
                "{n} {told_it_stayed} {both:?}"
            );
        }
    }
}

#[test]
fn one_mask_never_covers_two_vectors() {
    let (mut clients, _) = masking(&params(3, 3, 10), 1);
    let me = &mut clients[0];
    let masked = me.mask(0, &[5; 11]).unwrap();
    assert_eq!(me.mask(0, &[6; 11]), Err(Error::ChunkChanged { chunk: 0 }));
    killed_and_restarted(me);
    assert_eq!(me.mask(0, &[6; 11]), Err(Error::ChunkChanged { chunk: 0 }));
    assert_eq!(me.mask(0, &[5; 11]).unwrap(), masked);
    assert_eq!(me.mask(1, &[5; 11]), Err(Error::NoSuchChunk { chunk: 1 }));
    let short = Error::ChunkLength {
        chunk: 0,
        found: 10,
        wanted: 11,
    };
    assert_eq!(me.mask(0, &[5; 10]), Err(short));
    assert_eq!(me.mask(0, &[u32::MAX; 11]), Err(Error::ValueRange { chunk: 0 }));
}

#[test]
fn an_envelope_opens_only_for_its_receiver_sender_and_roster() {
    let params = params(7, 5, 10);
    let mut clients = clients(&params, 1);
    let all = adverts(&clients);
    let shares: Vec<Shares> = clients
        .iter_mut()
        .map(|c| c.share(all.clone()).unwrap())
        .collect();
    let inbox = |holder: usize| -> Inbox {
        (0..7)
            .map(|dealer| (clinic(dealer), shares[dealer].holders[holder].0))
            .collect()
    };
    let unreadable = |client: &Client, inbox: &Inbox| {
        Client::from_bytes(&client.to_bytes().unwrap())
            .unwrap()
            .open(inbox)
            .map(|opened| opened.unreadable)
    };
    let me = &clients[0];
    assert_eq!(unreadable(me, &inbox(0)), Ok(vec![]));
    // Somebody else's inbox: only what one could not open shows, and too few are left.
    assert!(matches!(
        unreadable(me, &inbox(1)),
        Err(Error::BelowThreshold { have: 0, .. })
    ));
    let mut swapped = inbox(0);
    let (first, second) = (swapped[&clinic(1)], swapped[&clinic(2)]);
    swapped.extend([(clinic(1), second), (clinic(2), first)]);
    assert_eq!(unreadable(me, &swapped), Ok(vec![clinic(1), clinic(2)]));
    for byte in 0..ENVELOPE_BYTES {
        let mut flipped = inbox(0);
        flipped.get_mut(&clinic(3)).unwrap().0[byte] ^= 4;
        assert_eq!(unreadable(me, &flipped), Ok(vec![clinic(3)]));
    }
    let mut stranger = inbox(0);
    stranger.insert(clinic(77), first);
    assert_eq!(
        unreadable(me, &stranger),
        Err(Error::Unknown { clinic: clinic(77) })
    );
    let mut without_me = inbox(0);
    without_me.remove(&clinic(0));
    assert_eq!(
        unreadable(me, &without_me),
        Err(Error::Unknown { clinic: clinic(0) })
    );
    let few: Inbox = inbox(0).into_iter().take(2).collect();
    assert!(matches!(
        unreadable(me, &few),
        Err(Error::BelowThreshold { have: 2, .. })
    ));
}

#[test]
fn a_hub_that_shows_two_rosters_gets_shares_nobody_can_open() {
    let params = params(5, 4, 10);
    let mut clients = clients(&params, 1);
    let all = adverts(&clients);
    let other = clients[1].share(all[..4].to_vec()).unwrap();
    let mine = clients[0].share(all.clone()).unwrap();
    let inbox: Inbox = [(clinic(0), mine.holders[0].0), (clinic(1), other.holders[0].0)].into();
    assert!(matches!(
        clients[0].open(&inbox),
        Err(Error::BelowThreshold { have: 2, need: 4, .. })
    ));
    // With enough of its own roster the round goes on without the odd one.
    let mut inbox = inbox;
    for (n, peer) in clients.iter_mut().enumerate().skip(2) {
        let shares = peer.share(all.clone()).unwrap();
        inbox.insert(clinic(n), shares.holders[0].0);
    }
    assert_eq!(clients[0].open(&inbox).unwrap().unreadable, [clinic(1)]);
}

#[test]
fn nothing_fits_another_round() {
    let here = params(3, 3, 10);
    let context = here.context();
    let at = |context: RoundContext, clip| Params::new(3, 3, 10, clip, 1000, context).unwrap();
    let others = [
        at(
            RoundContext {
                run: "run-8".to_owned(),
                ..context.clone()
            },
            1.0,
        ),
        at(
            RoundContext {
                round: 4,
                ..context.clone()
            },
            1.0,
        ),
        at(
            RoundContext {
                model: [8; 32],
                ..context.clone()
            },
            1.0,
        ),
        at(context.clone(), 2.0),
    ];
    let advert = |params: &Params| {
        Client::new(params.clone(), clinic(0), &mut StdRng::seed_from_u64(1))
            .advert()
            .unwrap()
    };
    let mine = advert(&here);
    for there in others {
        assert_ne!(mine, advert(&there));
        assert_ne!(
            mine.signing_bytes(&here, &clinic(0)),
            mine.signing_bytes(&there, &clinic(0))
        );
    }
    assert_ne!(
        mine.signing_bytes(&here, &clinic(0)),
        mine.signing_bytes(&here, &clinic(1))
    );
}

#[test]
fn derived_values_stay_the_same_across_versions() {
    // A change here is a change of the protocol: clinics and hub must then be updated together.
    let params = params(3, 3, 10);
    let mut rng = chacha20::ChaCha20Rng::from_seed([1; 32]);
    let mut clients: Vec<Client> = (0..3)
        .map(|n| Client::new(params.clone(), clinic(n), &mut rng))
        .collect();
    let all = adverts(&clients);
    let shares: Vec<Shares> = clients
        .iter_mut()
        .map(|c| c.share(all.clone()).unwrap())
        .collect();
    let me = &mut clients[0];
    me.open(&(0..3).map(|n| (clinic(n), shares[n].holders[0].0)).collect())
        .unwrap();
    let masked = me.mask(0, &[0; 11]).unwrap();
    let seen = [
        all[0].1.mask_public[0],
        shares[0].seed_commitment[0],
        shares[0].holders[1].0.0[0],
    ];
    assert_eq!(
        (seen, &masked[..2]),
        ([82, 192, 75], &[3_562_022_925, 2_041_663_555][..])
    );
}

#[test]
fn nothing_secret_is_printed() {
    let (mut clients, server) = masking(&params(3, 3, 10), 1);
    let answer = clients[0].unmask(&ids(0..3)).unwrap();
    let shown = format!("{:?} {:?} {answer:?}", clients[1], server);
    assert!(shown.contains("Share(secret)") && shown.contains("stage: \"masking\""));
    assert!(!shown.contains('['), "{shown}");
}

#[test]
fn a_damaged_or_newer_state_is_refused() {
    let (clients, _) = masking(&params(3, 3, 10), 1);
    let bytes = clients[0].to_bytes().unwrap();
    for cut in 0..bytes.len() {
        assert_eq!(
            Client::from_bytes(&bytes[..cut]).unwrap_err(),
            Error::DamagedState
        );
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        assert_eq!(Client::from_bytes(&flipped).unwrap_err(), Error::DamagedState);
    }
    let mut newer = bytes[..bytes.len() - 32].to_vec();
    newer[0] = 2;
    let hash = ring::digest::digest(&ring::digest::SHA256, &newer);
    newer.extend_from_slice(hash.as_ref());
    assert_eq!(
        Client::from_bytes(&newer).unwrap_err(),
        Error::StateVersion { found: 2, wanted: 1 }
    );
}

fn hostile_envelope() -> impl Strategy<Value = Envelope> {
    prop::collection::vec(any::<u8>(), ENVELOPE_BYTES)
        .prop_map(|bytes| Envelope::try_from(&bytes[..]).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hostile_inbox_does_no_harm(
        inbox in prop::collection::btree_map((0..6_usize).prop_map(clinic), hostile_envelope(), 0..6),
    ) {
        let params = params(5, 4, 10);
        let mut clients = clients(&params, 1);
        let all = adverts(&clients);
        clients[0].share(all).unwrap();
        prop_assert!(clients[0].open(&inbox).is_err());
    }

    #[test]
    fn hostile_keys_do_no_harm(keys in prop::collection::vec((any::<[u8; 32]>(), any::<[u8; 32]>()), 0..6)) {
        let params = params(5, 4, 10);
        let mut me = Client::new(params, clinic(0), &mut StdRng::seed_from_u64(1));
        let mut all = vec![(clinic(0), me.advert().unwrap())];
        all.extend(keys.into_iter().enumerate().map(|(n, (mask_public, channel_public))| {
            (clinic(n + 1), Advert { mask_public, channel_public })
        }));
        let few_or_many = all.len() < 4 || 5 < all.len();
        prop_assert_eq!(me.share(all).is_err(), few_or_many);
    }

    #[test]
    fn any_bytes_are_a_state_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Client::from_bytes(&bytes).is_err());
        // With a right hash, so that the record's parser is reached.
        bytes.insert(0, 1);
        let hash = ring::digest::digest(&ring::digest::SHA256, &bytes);
        bytes.extend_from_slice(hash.as_ref());
        let _ = Client::from_bytes(&bytes);
    }
}
