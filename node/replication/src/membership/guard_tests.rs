//! One case per promise of the guard.

use super::*;

fn member(epoch: u64) -> Member {
    Member {
        peer_address: "host:6356".into(),
        key: [7; 32],
        epoch,
    }
}

/// The member at an address of its own.
fn at(id: u64, member: Member) -> Member {
    Member {
        peer_address: format!("host-{id}:6356"),
        ..member
    }
}

/// Voters 1, 2, 3 and learner 4, all well; 9 was removed.
fn known() -> Known {
    Known {
        roster: Roster {
            configs: vec![BTreeSet::from([1, 2, 3])],
            members: (1..=4).map(|id| (id, at(id, member(5)))).collect(),
        },
        at: Some(LogId {
            term: 2,
            leader: 1,
            index: 10,
        }),
        committed: true,
        removed: BTreeSet::from([9]),
        healthy: BTreeSet::from([1, 2, 3, 4]),
    }
}

fn set(id: u64, member: Member, role: MemberRole) -> MemberChange {
    MemberChange {
        set: BTreeMap::from([(MemberId(id), (member, role))]),
        ..Default::default()
    }
}

fn remove(ids: impl IntoIterator<Item = u64>) -> MemberChange {
    MemberChange {
        remove: ids.into_iter().map(MemberId).collect(),
        ..Default::default()
    }
}

#[track_caller]
fn refused(known: &Known, change: &MemberChange, refusal: Refusal) {
    assert_eq!(check(known, None, change), Err(refusal));
}

#[test]
fn a_learner_joins_and_a_caught_up_learner_votes() {
    let goal = check(&known(), None, &set(5, member(1), MemberRole::Learner)).unwrap();
    assert_eq!(goal.voters, BTreeSet::from([1, 2, 3]));
    assert_eq!(goal.touched, BTreeMap::from([(5, member(1))]));
    let goal = check(&known(), known().at, &set(4, member(6), MemberRole::Voter)).unwrap();
    assert_eq!(goal.voters, BTreeSet::from([1, 2, 3, 4]));
}

#[test]
fn one_joint_change_replaces_a_voter() {
    let mut change = set(4, member(6), MemberRole::Voter);
    change.remove.insert(MemberId(3));
    let goal = check(&known(), None, &change).unwrap();
    assert_eq!(
        (goal.voters, goal.removed),
        (BTreeSet::from([1, 2, 4]), BTreeSet::from([3]))
    );
}

#[test]
fn a_new_member_takes_the_place_of_the_learner_at_its_address() {
    let joins = |address: u64| {
        let new = set(5, at(address, member(1)), MemberRole::Learner);
        check(&known(), None, &new).unwrap()
    };
    assert_eq!(joins(4).removed, BTreeSet::from([4]));
    assert_eq!(joins(4).voters, BTreeSet::from([1, 2, 3]));
    // A voter stays until somebody says that it leaves.
    assert_eq!(joins(3).removed, BTreeSet::new());
    assert_eq!(joins(5).removed, BTreeSet::new());
    // Who is a member already moves without consequences.
    let moves = set(3, at(4, member(6)), MemberRole::Voter);
    let goal = check(&known(), None, &moves).unwrap();
    assert_eq!(goal.removed, BTreeSet::new());
}

#[test]
fn a_voter_becomes_a_learner() {
    let goal = check(&known(), None, &set(3, member(6), MemberRole::Learner)).unwrap();
    assert_eq!(
        (goal.voters, goal.demoted),
        (BTreeSet::from([1, 2]), BTreeSet::from([3]))
    );
}

#[test]
fn another_membership_than_expected_is_refused() {
    let elsewhere = Some(LogId {
        term: 1,
        leader: 1,
        index: 3,
    });
    let change = remove([3]);
    let refusal = check(&known(), elsewhere, &change).unwrap_err();
    assert_eq!(refusal, Refusal::MembershipMoved { at: known().at });
}

#[test]
fn a_change_under_way_refuses_the_next() {
    let uncommitted = Known {
        committed: false,
        ..known()
    };
    refused(&uncommitted, &remove([3]), Refusal::ChangeUnderWay);
    let mut joint = known();
    joint.roster.configs.push(BTreeSet::from([1, 2]));
    refused(&joint, &remove([3]), Refusal::ChangeUnderWay);
}

#[test]
fn nothing_and_contradictions_are_refused() {
    refused(&known(), &MemberChange::default(), Refusal::Empty);
    let mut both = set(3, member(6), MemberRole::Voter);
    both.remove.insert(MemberId(3));
    refused(&known(), &both, Refusal::Contradiction(MemberId(3)));
    refused(&known(), &remove([8]), Refusal::NotAMember(MemberId(8)));
    refused(&known(), &remove([1, 2, 3]), Refusal::NoVoters);
}

#[test]
fn a_voter_must_have_been_a_learner_that_caught_up() {
    let change = set(5, member(1), MemberRole::Voter);
    refused(&known(), &change, Refusal::NotALearner(MemberId(5)));
    let behind = Known {
        healthy: BTreeSet::from([1, 2, 3]),
        ..known()
    };
    let change = set(4, member(6), MemberRole::Voter);
    refused(&behind, &change, Refusal::NotCaughtUp(MemberId(4)));
}

#[test]
fn the_new_voters_need_a_live_majority() {
    let two_down = Known {
        healthy: BTreeSet::from([1, 4]),
        ..known()
    };
    refused(
        &two_down,
        &remove([1]),
        Refusal::NoMajority { live: 0, voters: 2 },
    );
    refused(
        &two_down,
        &remove([3]),
        Refusal::NoMajority { live: 1, voters: 2 },
    );
    assert!(check(&two_down, None, &set(5, member(1), MemberRole::Learner)).is_ok());
}

#[test]
fn at_most_seven_vote() {
    let mut seven = known();
    seven.roster.configs = vec![(1..=7).collect()];
    seven.roster.members = (1..=8).map(|id| (id, member(5))).collect();
    seven.healthy = (1..=8).collect();
    let refusal = Refusal::TooManyVoters { count: 8, max: 7 };
    refused(&seven, &set(8, member(6), MemberRole::Voter), refusal);
}

#[test]
fn epochs_rise_and_credentials_stay() {
    let refusal = Refusal::StaleEpoch {
        member: MemberId(3),
        given: 5,
        known: 5,
    };
    refused(&known(), &set(3, member(5), MemberRole::Voter), refusal);
    let other = Member {
        key: [8; 32],
        ..member(6)
    };
    refused(
        &known(),
        &set(3, other, MemberRole::Voter),
        Refusal::CredentialChanged(MemberId(3)),
    );
}

#[test]
fn removed_ids_never_return() {
    let change = set(9, member(100), MemberRole::Learner);
    refused(&known(), &change, Refusal::Removed(MemberId(9)));
}

#[test]
fn addresses_have_bounds() {
    let nowhere = Member {
        peer_address: String::new(),
        ..member(6)
    };
    refused(
        &known(),
        &set(5, nowhere, MemberRole::Learner),
        Refusal::BadAddress(MemberId(5)),
    );
}
