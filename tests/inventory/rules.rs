//! One test for each rule of the protocol that the scripts alone keep, with the rule taken out where
//! that is cheap to show.

use stampede::{
    kernel::{
        clock::from_millis,
        version::{Epoch, Revision, Seq, Version},
    },
    shop::inventory::{
        BeginOutcome, Built, Claim, ClaimOutcome, InventoryError, Opening, Refusal, SettleOutcome,
        TermsOutcome, UnfreezeOutcome,
    },
};

use super::support::*;

fn closed<T: std::fmt::Debug>(answer: &Result<T, InventoryError>) -> bool {
    matches!(answer, Err(InventoryError::Closed))
}

#[tokio::test]
async fn units_come_back_to_the_shelf_only_when_they_are_given_back() {
    let shop = Shop::open(&[("A", 1)]).await;
    shop.take(shopper(1), "A", 1).await;
    let released = shop.take(shopper(1), "A", 0).await;
    let refused = shop.claim(&[want(shopper(2), "A", 1)]).await.unwrap();
    let sold_out = ClaimOutcome::Refused(Refusal::SoldOut { available: 0 });
    assert_eq!(refused.outcomes, [sold_out]);
    assert_eq!(shop.units("A").await, (0, 1, 0));
    shop.inventory.give_back(&shop.bucket, Epoch(1), &released.returned).await.unwrap();
    assert_eq!(shop.units("A").await, (1, 0, 0));
    shop.inventory.give_back(&shop.bucket, Epoch(1), &released.returned).await.unwrap();
    assert_eq!(shop.units("A").await, (1, 0, 0));
    shop.take(shopper(2), "A", 1).await;
}

#[tokio::test]
async fn an_older_epoch_s_give_back_is_passed_over() {
    let without = scripts_without("give_back", "ARGV[i] == terms.epoch and ", "");
    for (scripts, expected) in [(scripts(), (0, 2, 0)), (without, (1, 1, 0))] {
        let shop = Shop::open(&[("A", 2)]).await;
        let inventory = shop.through(scripts);
        shop.take(shopper(1), "A", 1).await;
        let old = shop.take(shopper(1), "A", 0).await.returned;
        assert_eq!(old, [Version { epoch: Epoch(1), seq: Seq(2) }]);

        shop.reopen(Epoch(2), &terms(&[("A", 2)]), &[]).await;
        let batch = [want(shopper(2), "A", 2), want(shopper(2), "A", 1)];
        let new = claim_in(&inventory, &shop.bucket, Epoch(2), &batch).await.unwrap();
        assert_eq!(new.returned, [Version { epoch: Epoch(2), seq: Seq(2) }]);
        inventory.give_back(&shop.bucket, Epoch(2), &old).await.unwrap();
        assert_eq!(shop.units("A").await, expected);
    }
}

#[tokio::test]
async fn another_epoch_is_closed() {
    let shop = Shop::open(&[("A", 1)]).await;
    let bucket = &shop.bucket;
    for epoch in [Epoch(0), Epoch(2)] {
        let line = [want(shopper(1), "A", 1)];
        assert!(closed(&claim_in(&shop.inventory, bucket, epoch, &line).await));
        assert!(closed(&shop.inventory.cart(bucket, epoch, shopper(1)).await));
        assert!(closed(&shop.inventory.give_back(bucket, epoch, &[Version::default()]).await));
        assert!(closed(&shop.inventory.expire(bucket, epoch, &[shopper(1)]).await));
        let saga = freeze(1, 1, 1);
        assert!(closed(&shop.inventory.begin(bucket, epoch, never(), &saga, &[]).await));
        assert!(closed(&shop.inventory.settle(bucket, epoch, never(), &saga, &[]).await));
        assert!(closed(&shop.inventory.finish(bucket, epoch, never(), &saga).await));
        assert!(closed(&shop.inventory.abort(bucket, epoch, never(), &saga).await));
        let totals = lines(&[("A", 0)]);
        assert!(closed(&shop.inventory.lower_totals(bucket, epoch, Revision(9), &totals).await));
        let terms = terms(&[("A", 9)]);
        assert!(closed(&shop.inventory.set_terms(bucket, epoch, Revision(9), &terms).await));
    }
}

#[tokio::test]
async fn a_server_that_was_not_opened_is_closed() {
    let without = scripts_without("prelude", " or h[2] ~= run_id()", "");
    let shop = Shop::open(&[("A", 2)]).await;
    let _: i64 = shop.ask("HSET", "stock", &["run_id", "another"]).await;
    let line = [want(shopper(1), "A", 1)];
    assert!(closed(&shop.claim(&line).await));
    assert_eq!(shop.inventory.snapshot(&shop.bucket).await.unwrap(), None);
    let goes_on = shop.through(without);
    claim_in(&goes_on, &shop.bucket, Epoch(1), &line).await.unwrap();
}

#[tokio::test]
async fn a_restarted_server_is_closed_even_with_all_its_data() {
    let (first, second) = (Server::start().await, Server::start().await);
    let shop = Shop::at(&first.url, scripts());
    shop.set_now(START).await;
    shop.reopen(Epoch(1), &terms(&[("A", 1)]), &[]).await;

    let mut moved = Shop::at(&second.url, scripts());
    moved.prefix.clone_from(&shop.prefix);
    moved.inventory = stampede::shop::inventory::Inventory::new(
        moved.redis.clone(),
        &moved.prefix,
        stampede::kernel::clock::Clock::system(),
        scripts(),
    );
    moved.set_now(START).await;
    let fields: Vec<String> = shop.ask("HGETALL", "stock", &[]).await;
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let _: i64 = moved.ask("HSET", "stock", &fields).await;

    assert!(closed(&moved.claim(&[want(shopper(1), "A", 1)]).await));
    assert_eq!(moved.inventory.swap_in(&moved.bucket, Epoch(1)).await.unwrap(), Opening::Overtaken);
    moved.reopen(Epoch(2), &terms(&[("A", 1)]), &[]).await;
    let line = [want(shopper(1), "A", 1)];
    claim_in(&moved.inventory, &moved.bucket, Epoch(2), &line).await.unwrap();
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_again() {
    let server = Server::start().await;
    let shop = Shop::at(&server.url, scripts());
    shop.set_now(START).await;
    shop.reopen(Epoch(1), &terms(&[("A", 9)]), &[]).await;
    let release = [want(shopper(1), "A", 2), want(shopper(1), "A", 1)];
    let returned = shop.claim(&release).await.unwrap().returned;
    shop.redis.ask(redis::cmd("SCRIPT").arg("FLUSH")).await.unwrap();
    // Of two scripts in one round trip it knows one, which must not run twice.
    shop.take(shopper(2), "A", 1).await;
    let more = [want(shopper(3), "A", 1)];
    let (inventory, bucket) = (&shop.inventory, &shop.bucket);
    let claimed = inventory.claim(bucket, Epoch(1), never(), &returned, &more).await.unwrap();
    assert!(matches!(claimed.outcomes[..], [ClaimOutcome::Created { .. }]), "{claimed:?}");
    assert_eq!(shop.units("A").await, (6, 3, 0));
}

#[tokio::test]
async fn what_comes_after_its_deadline_does_nothing() {
    let shop = Shop::open(&[("A", 2)]).await;
    let (inventory, bucket) = (&shop.inventory, &shop.bucket);
    let (in_time, late) = (from_millis(START), from_millis(START - 1));
    let late_err = |answer: Option<InventoryError>| matches!(answer, Some(InventoryError::Late));
    let line = [want(shopper(1), "A", 1)];
    let saga = freeze(1, 1, 1);
    let wanted = lines(&[("A", 1)]);

    assert!(late_err(inventory.claim(bucket, Epoch(1), late, &[], &line).await.err()));
    inventory.claim(bucket, Epoch(1), in_time, &[], &line).await.unwrap();
    assert!(late_err(inventory.begin(bucket, Epoch(1), late, &saga, &wanted).await.err()));
    assert!(late_err(inventory.settle(bucket, Epoch(1), late, &saga, &wanted).await.err()));
    assert!(late_err(inventory.finish(bucket, Epoch(1), late, &saga).await.err()));
    assert!(late_err(inventory.abort(bucket, Epoch(1), late, &saga).await.err()));
    inventory.begin(bucket, Epoch(1), in_time, &saga, &wanted).await.unwrap();

    // Without it, a stalled begin freezes a cart for an order that is long dead.
    let without = shop.through(scripts_without("prelude", "now > tonumber(deadline)", "false"));
    inventory.abort(bucket, Epoch(1), in_time, &saga).await.unwrap();
    let revived = without.begin(bucket, Epoch(1), late, &saga, &wanted).await.unwrap();
    assert!(matches!(revived, BeginOutcome::Frozen { .. }));
}

#[tokio::test]
async fn an_earlier_owner_of_a_checkout_is_stale() {
    let shop = Shop::open(&[("A", 2)]).await;
    let (inventory, bucket, wanted) = (&shop.inventory, &shop.bucket, lines(&[("A", 1)]));
    shop.take(shopper(1), "A", 1).await;
    let (first, second) = (freeze(1, 1, 1), freeze(1, 1, 2));
    let begin = |saga| inventory.begin(bucket, Epoch(1), never(), saga, &wanted);
    assert!(matches!(begin(&second).await.unwrap(), BeginOutcome::Frozen { .. }));
    assert_eq!(begin(&first).await.unwrap(), BeginOutcome::Stale);
    let settled = inventory.settle(bucket, Epoch(1), never(), &first, &wanted).await.unwrap();
    assert_eq!(settled, SettleOutcome::Stale);
    for stale in [
        inventory.abort(bucket, Epoch(1), never(), &first).await.unwrap(),
        inventory.finish(bucket, Epoch(1), never(), &first).await.unwrap(),
    ] {
        assert_eq!(stale, UnfreezeOutcome::Stale);
    }
    assert_eq!(begin(&freeze(1, 2, 9)).await.unwrap(), BeginOutcome::InProgress);
}

#[tokio::test]
async fn an_overtaken_keeper_neither_marks_nor_swaps_in() {
    let shop = Shop::open(&[("A", 1)]).await;
    let (inventory, bucket, terms) = (&shop.inventory, &shop.bucket, terms(&[("A", 1)]));
    // Not even its own epoch again: that stock is in use.
    assert_eq!(inventory.mark_opening(bucket, Epoch(1)).await.unwrap(), Opening::Overtaken);

    assert_eq!(inventory.mark_opening(bucket, Epoch(5)).await.unwrap(), Opening::Done);
    assert_eq!(inventory.mark_opening(bucket, Epoch(5)).await.unwrap(), Opening::Done);
    assert_eq!(inventory.mark_opening(bucket, Epoch(4)).await.unwrap(), Opening::Overtaken);
    shop.build(Epoch(4), &terms, &[]).await;
    assert_eq!(inventory.swap_in(bucket, Epoch(4)).await.unwrap(), Opening::Overtaken);

    // A mark that was made on another server says nothing about this one.
    shop.build(Epoch(5), &terms, &[]).await;
    let _: i64 = shop.ask("HSET", "stock", &["opening", "5 another"]).await;
    assert_eq!(inventory.swap_in(bucket, Epoch(5)).await.unwrap(), Opening::Overtaken);
    assert_eq!(inventory.mark_opening(bucket, Epoch(5)).await.unwrap(), Opening::Done);
    assert_eq!(inventory.swap_in(bucket, Epoch(5)).await.unwrap(), Opening::Done);
    // An answer may be lost: the second call changes nothing.
    claim_in(inventory, bucket, Epoch(5), &[want(shopper(1), "A", 1)]).await.unwrap();
    assert_eq!(inventory.swap_in(bucket, Epoch(5)).await.unwrap(), Opening::Done);
    assert_eq!(shop.units("A").await, (0, 1, 0));
}

#[tokio::test]
async fn without_its_mark_an_old_keeper_opens_into_a_wiped_server() {
    let shop = Shop::open(&[("A", 1)]).await;
    shop.inventory.mark_opening(&shop.bucket, Epoch(2)).await.unwrap();
    shop.build(Epoch(2), &terms(&[("A", 1)]), &[]).await;
    shop.wipe().await;
    let swapped = shop.inventory.swap_in(&shop.bucket, Epoch(2)).await.unwrap();
    assert_eq!(swapped, Opening::Overtaken);
    let check = "if h[3] ~= mark then return { OVERTAKEN, now } end";
    let without = shop.through(scripts_without("swap_in", check, ""));
    assert_eq!(without.swap_in(&shop.bucket, Epoch(2)).await.unwrap(), Opening::Done);
}

#[tokio::test]
async fn a_build_that_lost_a_part_is_not_swapped_in() {
    let shop = Shop::open(&[("A", 2)]).await;
    shop.inventory.mark_opening(&shop.bucket, Epoch(2)).await.unwrap();
    let claim = (shopper(1), Claim::default());
    shop.build(Epoch(2), &terms(&[("A", 2)]), &[claim]).await;
    let _: i64 = shop.ask("DEL", "claims:next:2", &[]).await;
    let swapped = shop.inventory.swap_in(&shop.bucket, Epoch(2)).await.unwrap();
    assert_eq!(swapped, Opening::Overtaken);
}

#[tokio::test]
async fn more_claims_than_units_are_never_opened() {
    let shop = Shop::open(&[("A", 1)]).await;
    let mut claim = Claim::default();
    claim.add_bought(&sku("A"), quantity(2), quantity(0));
    claim.add_bought(&sku("Gone"), quantity(1), quantity(0));
    shop.inventory.mark_opening(&shop.bucket, Epoch(2)).await.unwrap();
    let built = shop.build(Epoch(2), &terms(&[("A", 1)]), &[(shopper(1), claim)]).await;
    let Built::OverCommitted(over) = built else { panic!("{built:?}") };
    let over: Vec<_> = over.iter().map(|o| (o.sku.as_str(), o.total, o.committed)).collect();
    assert_eq!(over, [("A", 1, 2), ("Gone", 0, 1)]);
    let swapped = shop.inventory.swap_in(&shop.bucket, Epoch(2)).await.unwrap();
    assert_eq!(swapped, Opening::Overtaken);
}

#[tokio::test]
async fn totals_change_by_a_higher_revision_and_never_below_what_is_committed() {
    let shop = Shop::open(&[("A", 5), ("B", 5)]).await;
    let (inventory, bucket) = (&shop.inventory, &shop.bucket);
    shop.take(shopper(1), "A", 3).await;
    let lower = |revision, totals| async move {
        inventory.lower_totals(bucket, Epoch(1), Revision(revision), &lines(totals)).await.unwrap()
    };
    assert_eq!(lower(1, &[("A", 4)]).await, TermsOutcome::Stale);
    let below = TermsOutcome::BelowCommitted { sku: sku("A"), committed: 3 };
    assert_eq!(lower(2, &[("B", 1), ("A", 2)]).await, below);
    assert_eq!(shop.units("B").await, (5, 0, 0));
    assert_eq!(lower(2, &[("B", 9), ("A", 4)]).await, TermsOutcome::Done);
    assert_eq!((shop.units("A").await, shop.units("B").await), ((1, 3, 0), (5, 0, 0)));
    assert_eq!(lower(2, &[("A", 3)]).await, TermsOutcome::Stale);
    let set = |revision, totals| async move {
        inventory.set_terms(bucket, Epoch(1), Revision(revision), &terms(totals)).await.unwrap()
    };
    assert_eq!(set(2, &[("A", 9)]).await, TermsOutcome::Stale);
    assert_eq!(set(3, &[("B", 9)]).await, below);
    assert_eq!(set(3, &[("A", 9), ("C", 2)]).await, TermsOutcome::Done);
    assert_eq!((shop.units("A").await, shop.units("C").await), ((6, 3, 0), (2, 0, 0)));
    let gone = shop.claim(&[want(shopper(1), "B", 1)]).await.unwrap();
    assert_eq!(gone.outcomes, [ClaimOutcome::Refused(Refusal::UnknownSku)]);

    let without =
        shop.through(scripts_without("set_totals", "tonumber(ARGV[2]) <= terms.rev", "false"));
    let late = without.lower_totals(bucket, Epoch(1), Revision(2), &lines(&[("A", 3)])).await;
    assert_eq!(late.unwrap(), TermsOutcome::Done);
}
