use std::collections::{BTreeMap, BTreeSet};

use barefoot_federation::encoding::decode_masked_into;
use barefoot_federation::secagg::{
    Advert, Commitments, Envelope, Server, Share, Shares, UnmaskShares, add_masked,
};

use super::super::terms::tests::{lenient, plain, secure, strict};
use super::*;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Three clinics, their folders, and the hub's side of the sums.
struct Round {
    region: Region,
    folders: Vec<TempDir>,
    learners: Vec<Arc<Fixed>>,
    policy: Policy,
    terms: v1::RoundTerms,
    adverts: BTreeMap<ClinicId, v1::Advert>,
}

impl Round {
    fn new(policy: Policy, terms: v1::RoundTerms) -> Self {
        let deltas = [
            [0.25, -0.125, 0.0, 0.0],
            [0.0, 0.25, 0.0, 0.125],
            [0.125, 0.0, -0.25, 0.0],
        ];
        Self {
            region: Region::new(&NAMES),
            folders: NAMES.iter().map(|_| tempfile::tempdir().unwrap()).collect(),
            learners: deltas.into_iter().map(Fixed::new).collect(),
            policy,
            terms,
            adverts: BTreeMap::new(),
        }
    }

    /// As after a kill: only what is on disk is known.
    fn clinic(&self, place: usize) -> Stages {
        let (folder, learner) = (self.folders[place].path(), &self.learners[place]);
        start(&self.region, NAMES[place], folder, &self.policy, learner)
    }

    fn keys(&self, place: usize) -> v1::KeysReply {
        let terms = Some(self.terms.clone());
        self.clinic(place).keys(&v1::KeysTask { terms }).unwrap()
    }

    fn advertise(&mut self) -> Server {
        let mut server = Server::new(checked(&self.clinic(0), &self.terms).secure_params().unwrap());
        for (place, name) in NAMES.iter().enumerate() {
            let reply = self.keys(place);
            assert_eq!(self.keys(place), reply, "a second question gets the first answer");
            let advert = reply.advert.unwrap();
            server.advert(clinic(name), keys_of(&advert)).unwrap();
            self.adverts.insert(clinic(name), advert);
        }
        server.close_adverts().unwrap();
        server
    }

    fn shares_task(&self) -> v1::SharesTask {
        v1::SharesTask {
            terms: Some(self.terms.clone()),
            roster: self.adverts.values().cloned().collect(),
            threshold: self.terms.quorum,
        }
    }

    fn deal(&self, server: &mut Server) {
        for (place, name) in NAMES.iter().enumerate() {
            let reply = self.clinic(place).shares(&self.shares_task(), now()).unwrap();
            let again = self.clinic(place).shares(&self.shares_task(), now()).unwrap();
            assert_eq!(again, reply);
            server.shares(clinic(name), shares_of(&reply)).unwrap();
        }
        server.close_shares().unwrap();
    }

    fn fit_task(&self, server: &Server, place: usize) -> v1::FitTask {
        let inbox = server.inbox(&clinic(NAMES[place])).unwrap();
        let sealed = |(from, envelope): (ClinicId, Envelope)| v1::SealedShare {
            from: from.as_str().into(),
            to: NAMES[place].into(),
            ciphertext: envelope.0.to_vec(),
            ..Default::default()
        };
        v1::FitTask {
            terms: Some(self.terms.clone()),
            inbox: inbox.into_iter().map(sealed).collect(),
        }
    }

    fn unmask_task(&self, survivors: &[&str]) -> v1::UnmaskTask {
        v1::UnmaskTask {
            id: self.terms.id.clone(),
            survivors: survivors.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

fn keys_of(advert: &v1::Advert) -> Advert {
    Advert {
        mask_public: advert.mask_public.as_slice().try_into().unwrap(),
        channel_public: advert.channel_public.as_slice().try_into().unwrap(),
    }
}

fn shares_of(reply: &v1::SharesReply) -> Shares {
    let bytes = |bytes: &[u8]| bytes.try_into().unwrap();
    let holder = |share: &v1::SealedShare| {
        let commitments = Commitments {
            mask: bytes(&share.mask_commitment),
            seed: bytes(&share.seed_commitment),
        };
        (
            Envelope::try_from(share.ciphertext.as_slice()).unwrap(),
            commitments,
        )
    };
    Shares {
        seed_commitment: bytes(&reply.seed_commitment),
        holders: reply.share.iter().map(holder).collect(),
    }
}

fn unmask_shares_of(reply: &v1::UnmaskReply) -> UnmaskShares {
    let mut shares = UnmaskShares::default();
    for share in &reply.share {
        let clinic = clinic(&share.clinic);
        let bytes = |bytes: &[u8]| Share::from_bytes(bytes.try_into().unwrap());
        match share.share.as_ref().unwrap() {
            v1::unmask_share::Share::SelfMask(seed) => shares.self_seeds.insert(clinic, bytes(seed)),
            v1::unmask_share::Share::MaskKey(key) => shares.mask_seeds.insert(clinic, bytes(key)),
        };
    }
    shares
}

/// Without noise, so that the sum can be compared.
fn masked_only() -> v1::RoundTerms {
    let mut terms = secure();
    terms.privacy.as_mut().unwrap().noise_multiplier = 0.0;
    terms
}

#[test]
fn three_clinics_killed_after_every_step_make_the_sum_and_nothing_else() {
    let mut round = Round::new(lenient(), masked_only());
    let mut server = round.advertise();
    round.deal(&mut server);
    let mut sum = [0_u32; 5];
    for place in 0..3 {
        let task = round.fit_task(&server, place);
        let mut stages = round.clinic(place);
        let reply = fit(&mut stages, &task).unwrap();
        assert_eq!((reply.examples, reply.metric.len()), (1, 0));
        drop(stages);
        let mut stages = round.clinic(place);
        assert_eq!(fit(&mut stages, &task).unwrap(), reply);
        let bytes = update(&stages, &checked(&stages, &round.terms), &reply);
        let mut masked = [0_u32; 5];
        decode_masked_into(&bytes, &mut masked).unwrap();
        add_masked(&mut sum, &masked);
        assert_eq!(round.learners[place].trained(), 1);
    }
    let survivors: BTreeSet<ClinicId> = NAMES.iter().map(|name| clinic(name)).collect();
    server.close_masking(survivors).unwrap();
    let question = round.unmask_task(&NAMES);
    for (place, name) in NAMES.iter().enumerate() {
        let answer = round.clinic(place).unmask(&question).unwrap();
        assert_eq!(round.clinic(place).unmask(&question).unwrap(), answer);
        let stages = round.clinic(place);
        stages.forget_secrets(&checked(&stages, &round.terms).id).unwrap();
        drop(stages);
        assert_eq!(round.clinic(place).unmask(&question).unwrap(), answer);
        assert!(
            server
                .unmask_shares(clinic(name), unmask_shares_of(&answer))
                .unwrap()
                .is_empty()
        );
    }
    server.reconstruct().unwrap().unmask_chunk(0, &mut sum).unwrap();
    let quantiser = *server.params().quantiser();
    let weight = quantiser.dequantise_weight(sum[4], 3).unwrap();
    assert_eq!(weight, 150.0);
    let sums = quantiser.dequantise_sum(&sum[..4], 3).unwrap();
    for (found, wanted) in sums.iter().zip([0.375, 0.125, -0.25, 0.125]) {
        assert!((found - 50.0 * wanted).abs() < 1e-3, "{found} {wanted}");
    }
}

#[test]
fn a_masked_and_noised_update_is_charged_once() {
    let mut round = Round::new(strict(), secure());
    let mut server = round.advertise();
    round.deal(&mut server);
    let task = round.fit_task(&server, 1);
    let reply = fit(&mut round.clinic(1), &task).unwrap();
    let spent = round.clinic(1).rules.budget().unwrap().spent();
    assert!((spent - 4.377).abs() < 0.01, "{spent}");
    assert_eq!(fit(&mut round.clinic(1), &task).unwrap(), reply);
    assert_eq!(round.clinic(1).rules.budget().unwrap().spent(), spent);
}

#[test]
fn no_clinic_answers_two_questions_or_one_below_the_threshold() {
    let mut round = Round::new(lenient(), masked_only());
    let mut server = round.advertise();
    round.deal(&mut server);
    for place in 0..3 {
        fit(&mut round.clinic(place), &round.fit_task(&server, place)).unwrap();
    }
    for survivors in [
        &["a", "b"][..],
        &["a", "b", "z"],
        &["a", "a", "b"],
        &["a", "b", "not a clinic"],
        &[],
    ] {
        let stop = round.clinic(0).unmask(&round.unmask_task(survivors)).unwrap_err();
        assert_eq!(declined(stop), v1::DeclineReason::Failed, "{survivors:?}");
    }
    round.clinic(0).unmask(&round.unmask_task(&NAMES)).unwrap();
    let stop = round
        .clinic(0)
        .unmask(&round.unmask_task(&["a", "b"]))
        .unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);
    let mut other = round.unmask_task(&NAMES);
    other.id.as_mut().unwrap().attempt = 9;
    assert_eq!(
        declined(round.clinic(0).unmask(&other).unwrap_err()),
        v1::DeclineReason::Failed
    );
}

#[test]
fn who_helped_to_unmask_a_round_joins_no_further_attempt_of_it_without_noise() {
    let mut round = Round::new(lenient(), masked_only());
    let mut server = round.advertise();
    round.deal(&mut server);
    for place in 0..2 {
        fit(&mut round.clinic(place), &round.fit_task(&server, place)).unwrap();
    }
    round.clinic(0).unmask(&round.unmask_task(&NAMES)).unwrap();
    let keys = |terms: &v1::RoundTerms, round_number, attempt| {
        let mut terms = terms.clone();
        let id = terms.id.as_mut().unwrap();
        (id.round, id.attempt) = (round_number, attempt);
        v1::KeysTask { terms: Some(terms) }
    };
    // The same attempt goes on.
    round.clinic(0).keys(&keys(&round.terms, 1, 1)).unwrap();
    let stop = round.clinic(0).keys(&keys(&round.terms, 1, 2)).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Policy);
    // Who was not asked takes part again, and so does everybody with noise or in the next round.
    round.clinic(1).keys(&keys(&round.terms, 1, 2)).unwrap();
    round.clinic(0).keys(&keys(&secure(), 1, 3)).unwrap();
    round.clinic(0).keys(&keys(&round.terms, 2, 1)).unwrap();
}

#[test]
fn a_roster_the_clinics_did_not_sign_is_refused() {
    type Forge = fn(&Round, &mut v1::SharesTask);
    let forgeries: [Forge; 9] = [
        // The hub's own keys in a clinic's name.
        |_, task| task.roster[1].mask_public = vec![9; 32],
        |_, task| task.roster[1].signature[8] ^= 1,
        |_, task| task.roster[1].certificate.clear(),
        // A clinic's signature under another's name.
        |_, task| task.roster[1].clinic = "z".into(),
        |_, task| task.roster[1].channel_public.truncate(31),
        |_, task| task.roster[1] = task.roster[0].clone(),
        |_, task| task.roster.truncate(2),
        |_, task| task.threshold = 2,
        // Keys of another attempt.
        |round, task| {
            let mut terms = round.terms.clone();
            terms.id.as_mut().unwrap().attempt = 2;
            let other = Round::new(lenient(), terms);
            let stages = start(
                &round.region,
                "b",
                other.folders[1].path(),
                &lenient(),
                &other.learners[1],
            );
            let keys = v1::KeysTask {
                terms: Some(other.terms.clone()),
            };
            task.roster[1] = stages.keys(&keys).unwrap().advert.unwrap();
        },
    ];
    for (number, forge) in forgeries.into_iter().enumerate() {
        let mut round = Round::new(lenient(), masked_only());
        round.advertise();
        let mut task = round.shares_task();
        forge(&round, &mut task);
        let stop = round.clinic(0).shares(&task, now()).unwrap_err();
        assert_eq!(declined(stop), v1::DeclineReason::Failed, "{number}");
        // A refusal changes nothing: the true roster is still taken.
        round.clinic(0).shares(&round.shares_task(), now()).unwrap();
    }
}

#[test]
fn a_foreign_inbox_or_a_stage_out_of_order_is_refused() {
    let mut round = Round::new(lenient(), masked_only());
    let no_inbox = v1::FitTask {
        terms: Some(round.terms.clone()),
        inbox: Vec::new(),
    };
    let stop = fit(&mut round.clinic(0), &no_inbox).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);
    let mut server = round.advertise();
    let stop = fit(&mut round.clinic(0), &no_inbox).unwrap_err();
    assert_eq!(declined(stop), v1::DeclineReason::Failed);
    round.deal(&mut server);
    type Forge = fn(&mut v1::FitTask);
    let forgeries: [Forge; 5] = [
        |task| task.inbox[1].to = "b".into(),
        |task| task.inbox[1].from = "a".into(),
        |task| task.inbox[1].ciphertext.truncate(10),
        |task| task.inbox.clear(),
        |task| task.inbox.truncate(1),
    ];
    for (number, forge) in forgeries.into_iter().enumerate() {
        let mut task = round.fit_task(&server, 0);
        forge(&mut task);
        let stop = fit(&mut round.clinic(0), &task).unwrap_err();
        assert_eq!(declined(stop), v1::DeclineReason::Failed, "{number}");
    }
    let keys = v1::KeysTask { terms: Some(plain()) };
    assert_eq!(
        declined(round.clinic(0).keys(&keys).unwrap_err()),
        v1::DeclineReason::Failed
    );
}
