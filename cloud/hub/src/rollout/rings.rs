//! Which box belongs to which stage. Pure: the same boxes and the same release give the same answer.

use barefoot_domain::ClinicId;
use barefoot_federation::chunk::ChunkId;

use super::member::Member;
use super::plan::Plan;

/// The canaries first; the rest in an order the release's name draws, so that it is not always the same who goes first.
pub(super) fn assign(plan: &Plan, boxes: &[ClinicId], release: &str) -> Vec<Member> {
    let drawn = |clinic: &ClinicId| ChunkId::of(format!("{release}\n{clinic}").as_bytes()).0;
    let mut clinics: Vec<ClinicId> = boxes.to_vec();
    // Named before they ever reported, they are waited for like any other.
    clinics.extend(plan.canary.clinics.iter().cloned());
    clinics.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    clinics.dedup();
    let named = |clinic: &ClinicId| plan.canary.clinics.contains(clinic);
    clinics.sort_by_key(|clinic| (!named(clinic), drawn(clinic)));
    let canaries = match plan.canary.clinics.len() {
        0 => plan.canary.count as usize,
        named => named,
    };
    let all = clinics.len();
    let ring = |rank: usize| {
        let reached = plan
            .rings
            .iter()
            .position(|percent| rank * 100 < all * *percent as usize);
        let ring = reached.and_then(|ring| u32::try_from(ring).ok());
        ring.map_or(plan.last_stage(), |ring| ring.saturating_add(1))
    };
    let ranked = clinics.into_iter().enumerate();
    ranked
        .map(|(rank, clinic)| Member::new(clinic, if rank < canaries { 0 } else { ring(rank) }))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan::tests::EXAMPLE;
    use super::*;

    fn boxes(count: usize) -> Vec<ClinicId> {
        (0..count)
            .map(|number| ClinicId::new(format!("clinic-{number}")).unwrap())
            .collect()
    }

    #[test]
    fn rings_have_their_part_of_the_boxes() {
        let plan = Plan::parse(EXAMPLE).unwrap();
        let members = assign(&plan, &boxes(40), "cxr 0.2.0");
        let upto = |ring: u32| members.iter().filter(|member| member.ring <= ring).count();
        assert_eq!([upto(0), upto(1), upto(2), upto(3)], [2, 4, 20, 40]);
        assert_eq!(members, assign(&plan, &boxes(40), "cxr 0.2.0"));
        let first = |release: &str| assign(&plan, &boxes(40), release)[0].clinic.clone();
        assert!((0..9).any(|minor| first(&format!("cxr 0.{minor}.0")) != first("cxr 0.9.0")));
    }

    #[test]
    fn named_canaries_go_first_even_when_unknown() {
        let text = EXAMPLE.replace("{ count = 2 }", "{ clinics = [\"clinic-3\", \"elsewhere\"] }");
        let members = assign(&Plan::parse(&text).unwrap(), &boxes(5), "cxr 0.2.0");
        let mut canaries: Vec<_> = members
            .iter()
            .filter(|member| member.ring == 0)
            .map(|member| member.clinic.as_str())
            .collect();
        canaries.sort_unstable();
        assert_eq!(canaries, ["clinic-3", "elsewhere"]);
        assert_eq!(members.len(), 6);
    }

    proptest! {
        #[test]
        fn every_box_has_one_stage(count in 0usize..300, canaries in 1u32..20) {
            let text = EXAMPLE.replace("count = 2", &format!("count = {canaries}"));
            let plan = Plan::parse(&text).unwrap();
            let members = assign(&plan, &boxes(count), "cxr 0.2.0");
            prop_assert_eq!(members.len(), count);
            prop_assert!(members.iter().all(|member| member.ring <= plan.last_stage()));
            let first = members.iter().filter(|member| member.ring == 0).count();
            prop_assert_eq!(first, count.min(canaries as usize));
        }
    }
}
