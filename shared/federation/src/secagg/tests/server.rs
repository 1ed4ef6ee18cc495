use super::*;

/// All answers of clinics 0..4 of 5; clinic 4's vector is not in the sum.
fn answered() -> (Server, Vec<UnmaskShares>) {
    let (mut clients, mut server) = masking(&params(5, 4, 10), 1);
    let survivors = ids(0..4);
    server.close_masking(survivors.clone()).unwrap();
    let answers = clients
        .iter_mut()
        .map(|client| client.unmask(&survivors).unwrap())
        .collect();
    (server, answers)
}

#[test]
fn nothing_is_rebuilt_below_the_threshold() {
    let (mut server, answers) = answered();
    for (n, answer) in answers.into_iter().enumerate().take(3) {
        server.unmask_shares(clinic(n), answer).unwrap();
        assert!(matches!(
            server.reconstruct(),
            Err(Error::BelowThreshold { need: 4, .. })
        ));
    }
    assert_eq!(server.missing(), Some(1));
}

#[test]
fn wrong_shares_are_named_and_left_out() {
    let (mut server, answers) = answered();
    for (n, mut answer) in answers.into_iter().enumerate() {
        let wrong = if n == 1 {
            answer.self_seeds.insert(clinic(0), Share::from_bytes([3; 32]));
            // Not even a field element.
            answer.mask_seeds.insert(clinic(4), Share::from_bytes([255; 32]));
            vec![clinic(0), clinic(4)]
        } else {
            vec![]
        };
        assert_eq!(server.unmask_shares(clinic(n), answer).unwrap(), wrong);
    }
    assert_eq!(server.reconstruct().unwrap().contributors(), 4);
}

#[test]
fn a_share_of_the_other_kind_is_refused() {
    let (mut server, answers) = answered();
    let mut both = answers[0].clone();
    let share = both.mask_seeds[&clinic(4)].clone();
    both.mask_seeds.insert(clinic(1), share.clone());
    let refused = Err(Error::NotAsked { clinic: clinic(0) });
    assert_eq!(server.unmask_shares(clinic(0), both), refused);
    let mut other = answers[0].clone();
    other.self_seeds.insert(clinic(4), share.clone());
    assert_eq!(server.unmask_shares(clinic(0), other), refused);
    let mut stranger = answers[0].clone();
    stranger.mask_seeds.insert(clinic(9), share);
    assert_eq!(server.unmask_shares(clinic(0), stranger), refused);
    assert_eq!(
        server.unmask_shares(clinic(9), answers[0].clone()),
        Err(Error::Unknown { clinic: clinic(9) })
    );
}

#[test]
fn messages_may_come_twice_but_not_changed() {
    let params = params(4, 3, 10);
    let mut clients = clients(&params, 1);
    let mut server = Server::new(params);
    let all = adverts(&clients);
    assert!(matches!(
        server.close_adverts(),
        Err(Error::BelowThreshold { have: 0, .. })
    ));
    for (clinic, advert) in &all {
        server.advert(clinic.clone(), *advert).unwrap();
        server.advert(clinic.clone(), *advert).unwrap();
    }
    let other = Advert {
        channel_public: [9; 32],
        ..all[0].1
    };
    assert_eq!(server.advert(clinic(0), other), Err(Error::Changed));
    assert_eq!(
        server.advert(clinic(8), all[1].1),
        Err(Error::TooMany { most: 4 })
    );
    server.close_adverts().unwrap();

    let shares = clients[0].share(all.clone()).unwrap();
    server.shares(clinic(0), shares.clone()).unwrap();
    server.shares(clinic(0), shares.clone()).unwrap();
    let other = clients[1].share(all.clone()).unwrap();
    assert_eq!(server.shares(clinic(0), other), Err(Error::Changed));
    assert_eq!(
        server.shares(clinic(8), shares.clone()),
        Err(Error::Unknown { clinic: clinic(8) })
    );
    let mut short = shares;
    short.holders.pop();
    assert_eq!(
        server.shares(clinic(1), short),
        Err(Error::Unknown { clinic: clinic(1) })
    );
    assert!(matches!(
        server.close_shares(),
        Err(Error::BelowThreshold { have: 1, .. })
    ));
    for n in [1, 2] {
        let other = clients[n].share(all.clone()).unwrap();
        server.shares(clinic(n), other).unwrap();
    }
    assert_eq!(server.close_shares().unwrap(), ids(0..3));
    assert_eq!(
        server.inbox(&clinic(3)),
        Err(Error::Unknown { clinic: clinic(3) })
    );
    assert_eq!(server.inbox(&clinic(0)).unwrap().len(), 3);
    assert_eq!(
        server.close_masking(ids([0, 1, 3])),
        Err(Error::Unknown { clinic: clinic(3) })
    );
    assert!(matches!(
        server.close_masking(ids([0])),
        Err(Error::BelowThreshold { .. })
    ));
    assert!(matches!(server.reconstruct(), Err(Error::OutOfOrder { .. })));

    let (mut server, answers) = answered();
    server.unmask_shares(clinic(0), answers[0].clone()).unwrap();
    server.unmask_shares(clinic(0), answers[0].clone()).unwrap();
    assert_eq!(
        server.unmask_shares(clinic(0), UnmaskShares::default()),
        Err(Error::Changed)
    );
}

/// A round in which clinic 3 advertises or commits to something else than it deals, and drops out of `survivors` or not.
fn cheated(
    advertised: Option<[u8; 32]>,
    committed: Option<[u8; 32]>,
    survivors: BTreeSet<ClinicId>,
) -> Error {
    let params = params(4, 3, 10);
    let mut clients = clients(&params, 1);
    let mut server = Server::new(params.clone());
    let mut all = adverts(&clients);
    all[3].1.mask_public = advertised.unwrap_or(all[3].1.mask_public);
    for (clinic, advert) in &all {
        server.advert(clinic.clone(), *advert).unwrap();
    }
    let roster = server.close_adverts().unwrap().clone();
    for client in &mut clients[..3] {
        server
            .shares(client.id().clone(), client.share(all.clone()).unwrap())
            .unwrap();
    }
    let mut shares = clients[3].deal(&params.digest(), &roster);
    shares.seed_commitment = committed.unwrap_or(shares.seed_commitment);
    server.shares(clinic(3), shares).unwrap();
    server.close_shares().unwrap();
    for client in &mut clients[..3] {
        client.open(&server.inbox(client.id()).unwrap()).unwrap();
    }
    server.close_masking(survivors.clone()).unwrap();
    for client in &mut clients[..3] {
        server
            .unmask_shares(client.id().clone(), client.unmask(&survivors).unwrap())
            .unwrap();
    }
    server.reconstruct().unwrap_err()
}

#[test]
fn a_dealer_whose_shares_are_not_what_it_committed_to_is_named() {
    let (mut server, answers) = answered();
    for (n, mut answer) in answers.into_iter().enumerate() {
        // Two of five hold rubbish from clinic 3.
        if n < 2 {
            answer.self_seeds.insert(clinic(3), Share::from_bytes([3; 32]));
        }
        server.unmask_shares(clinic(n), answer).unwrap();
    }
    assert_eq!(server.missing(), Some(1));
    assert_eq!(
        server.reconstruct().unwrap_err(),
        Error::WrongDealer { clinic: clinic(3) }
    );
}

#[test]
fn keys_no_roster_may_hold_are_refused_before_they_stop_the_round() {
    let params = params(4, 3, 10);
    let all = adverts(&clients(&params, 1));
    let mut server = Server::new(params);
    server.advert(clinic(0), all[0].1).unwrap();
    let bad = Advert {
        mask_public: [0; 32],
        ..all[1].1
    };
    assert_eq!(
        server.advert(clinic(1), bad),
        Err(Error::BadKey { clinic: clinic(1) })
    );
    let copied = Advert {
        channel_public: all[0].1.mask_public,
        ..all[1].1
    };
    assert_eq!(
        server.advert(clinic(1), copied),
        Err(Error::Duplicate { clinic: clinic(1) })
    );
    let twice = Advert {
        channel_public: all[1].1.mask_public,
        ..all[1].1
    };
    assert_eq!(
        server.advert(clinic(1), twice),
        Err(Error::Duplicate { clinic: clinic(1) })
    );
    for n in [1, 2] {
        server.advert(clinic(n), all[n].1).unwrap();
    }
    assert_eq!(server.close_adverts().unwrap().len(), 3);
}

#[test]
fn a_dealer_of_wrong_shares_is_named() {
    let wrong = Error::WrongDealer { clinic: clinic(3) };
    assert_eq!(cheated(None, Some([1; 32]), ids(0..4)), wrong);
    // The base point: a key whose secret nobody shared.
    let mut base = [0; 32];
    base[0] = 9;
    assert_eq!(cheated(Some(base), None, ids(0..3)), wrong);
}
