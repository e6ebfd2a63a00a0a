//! Random histories: the scripts on real Redis against the model, equal after every step, and paper
//! from which the stock is opened again after each loss.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, FailurePersistence, RngAlgorithm, TestRng, TestRunner},
};
use stampede::shop::inventory::Scripts;

use super::{
    history::History,
    steps::{Step, step},
    support::{scripts, scripts_without},
};

fn histories(scripts: &Scripts, mut runner: TestRunner) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Each step may come twice, as after a lost answer.
    let history = vec((step(), prop::bool::weighted(0.15)), 1..50);
    let run = |steps: Vec<(Step, bool)>| {
        runtime.block_on(async {
            let mut history = History::begin(scripts.clone()).await;
            for (step, twice) in &steps {
                history.step(step).await;
                if *twice {
                    history.step(step).await;
                }
            }
            history.shop.wipe().await;
        });
        Ok(())
    };
    runner.run(&history, run).map_err(|error| error.to_string())
}

fn config() -> Config {
    let failure_persistence: Option<Box<dyn FailurePersistence>> = None;
    Config { failure_persistence, max_shrink_iters: 4000, ..Config::default() }
}

#[test]
fn every_history_goes_as_the_model_says() {
    if let Err(counterexample) = histories(&scripts(), TestRunner::new(config())) {
        panic!("{counterexample}");
    }
}

/// One check or effect of each script, taken out.
const MUTANTS: [(&str, &str, &str); 21] = [
    ("prelude", "h[1] ~= epoch or ", ""),
    ("prelude", " or h[2] ~= run_id()", ""),
    ("prelude", "if deadline and", "if false and"),
    ("carts", "(claim.order ~= '' and terms.grace or 0)", "0"),
    ("carts", " or claim.settled then return 0", " then return 0"),
    ("carts", "claim.mark, claim.order, claim.attempt = 'x', '', 0", "claim.mark = 'x'"),
    ("claim", "if claim.expires > 0 and is_due(claim)", "if false"),
    ("claim", "begin_hold(shopper, hold_end)", ""),
    ("claim", " or claim.settled and held > 0", ""),
    ("claim", "all > terms.limit", "all > terms.limit + 1"),
    ("claim", "same > unit.limit", "same > unit.limit + 1"),
    ("claim", "if not holds_something(claim) then claim.expires = 0 end", ""),
    ("give_back", "ARGV[i] == terms.epoch and ", ""),
    ("begin", "and attempt < claim.attempt", "and false"),
    ("begin", "claim.mark == 'x' or is_due(claim)", "claim.mark == 'x'"),
    ("settle", "is_due(claim) or ", ""),
    ("settle", "if not claim.settled then move", "if true then move"),
    ("finish", "claim[i + 1], claim[i + 2] = 0, claim[i + 2] + n", "claim[i + 1] = 0"),
    ("abort", "give(shopper, sku, n, 0, 0)", "move(sku, n, HELD, AVAILABLE)"),
    ("set_totals", "unit and tonumber(ARGV[i + 1]) < unit[HELD] + unit[SOLD]", "false"),
    ("set_terms", "(totals[sku] or 0) < committed", "false"),
];

/// Always the same histories, and enough of them for each.
#[test]
fn histories_miss_whatever_is_taken_out() {
    let noticed = |(file, check, instead): &&(&str, &str, &str)| {
        let config = Config { cases: 2000, max_shrink_iters: 0, ..config() };
        let same = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let runner = TestRunner::new_with_rng(config, same);
        histories(&scripts_without(file, check, instead), runner).is_err()
    };
    let unnoticed: Vec<_> = MUTANTS.iter().filter(|mutant| !noticed(mutant)).collect();
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}
