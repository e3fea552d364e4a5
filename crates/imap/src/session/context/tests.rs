//! Places in an order are found, by few comparisons, as sorting everything would find them.

use proptest::prelude::*;

use super::results::Places;
use super::*;

fn uid(value: u32) -> Uid {
    Uid::new(value).unwrap()
}

/// By what the messages of this test are sorted; some are alike.
fn order(uid: Uid) -> (u32, Uid) {
    (uid.value().wrapping_mul(2_654_435_761) % 1000, uid)
}

fn sorted(mut uids: Vec<Uid>) -> Vec<Uid> {
    uids.sort_unstable_by_key(|uid| order(*uid));
    uids
}

/// Places messages as the session does; how many rounds it took, and the messages of the largest.
fn placed(known: &[Uid], new: &[Uid]) -> (Vec<(usize, Uid)>, usize, usize) {
    let high = known.len();
    let arriving = new.iter().map(|&uid| Arriving { uid, low: 0, high });
    let mut arriving: Vec<Arriving> = arriving.collect();
    let (mut rounds, mut most) = (0, 0);
    loop {
        let pivots = pivots(&arriving);
        if pivots.is_empty() {
            let places = arriving.iter().map(|one| (one.low, one.uid));
            return (places.collect(), rounds, most);
        }
        let places: HashMap<Uid, usize> =
            pivots.iter().map(|&place| (known[place], place)).collect();
        assert_eq!(places.len(), pivots.len(), "one place is asked for twice");
        let among = places.keys().copied().chain(new.iter().copied());
        let order = sorted(among.collect());
        (rounds, most) = (rounds + 1, most.max(order.len()));
        assert!(narrow(&mut arriving, &places, &order));
    }
}

/// A client that believes what it is told.
fn applied(list: &mut Vec<Uid>, places: Places, adds: bool) {
    let Places::InOrder(places) = places else {
        panic!("an order of its own was asked for");
    };
    for (place, run) in places {
        if adds {
            list.splice(place..place, run);
        } else {
            let gone: Vec<Uid> = list.drain(place..place + run.len()).collect();
            assert_eq!(gone, run, "what is not there goes");
        }
    }
}

proptest! {
    #[test]
    fn a_result_in_order_stays_in_order(
        known in prop::collection::btree_set(1_u32..4000, 0..600),
        came in prop::collection::btree_set(1_u32..4000, 0..40),
        gone in prop::collection::btree_set(1_u32..4000, 0..2000),
    ) {
        let known: Vec<u32> = known.difference(&came).copied().collect();
        let known = sorted(known.into_iter().map(uid).collect());
        let new = sorted(came.into_iter().map(uid).collect());
        let (places, ..) = placed(&known, &new);
        let mut results = Results::InOrder(known.clone());
        let mut client = known.clone();
        applied(&mut client, results.insert_at(places), true);
        let all = sorted(known.into_iter().chain(new).collect());
        prop_assert_eq!(&client, &all);
        let gone: UidSet = gone.into_iter().map(uid).collect();
        applied(&mut client, results.remove(&gone), false);
        let left: Vec<Uid> = all.into_iter().filter(|uid| !gone.contains(*uid)).collect();
        prop_assert_eq!(&client, &left);
        let Results::InOrder(results) = results else { unreachable!() };
        prop_assert_eq!(results, left);
    }
}

#[test]
fn one_message_is_compared_with_few() {
    let known = sorted((1..=200_000).map(uid).collect());
    let (places, rounds, most) = placed(&known, &[uid(200_001)]);
    assert_eq!(rounds, 4);
    assert_eq!(most, PIVOTS_MAX + 1);
    let place = known.partition_point(|one| order(*one) < order(uid(200_001)));
    assert_eq!(places, [(place, uid(200_001))]);
}

#[test]
fn a_pivot_that_is_not_there_is_noticed() {
    let known = [uid(1), uid(2)];
    let arriving = Arriving {
        uid: uid(3),
        low: 0,
        high: 2,
    };
    let places = HashMap::from([(known[0], 0), (known[1], 1)]);
    let narrowed = |order: &[Uid]| {
        let mut arriving = [arriving];
        narrow(&mut arriving, &places, order).then_some((arriving[0].low, arriving[0].high))
    };
    assert_eq!(narrowed(&[known[1], uid(3)]), None);
    assert_eq!(narrowed(&known), None);
    assert_eq!(narrowed(&[known[0], uid(3), known[1]]), Some((1, 1)));
}
