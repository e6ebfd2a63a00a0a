//! The protocol of a unit, rule by rule: each schedule is played one step at a time against real
//! Redis, `RabbitMQ` and Postgres, with the rule and with the rule taken out. With it nothing is
//! lost or sold twice; without it the trace happens for whose sake the rule is there.
//!
//! | what must not be left out | test |
//! |---|---|
//! | give back only after the confirm | `taking::give_back_only_after_the_confirm` |
//! | fence | `opening::fence` |
//! | barrier | `opening::barrier` |
//! | `run_id` compared | `inventory::rules::a_server_that_was_not_opened_is_closed`, `inventory::rules::a_restarted_server_is_closed_even_with_all_its_data` |
//! | version, deadline | `taking::version`, `taking::deadline` |
//! | own version per give-back | `inventory::rules::an_older_epoch_s_give_back_is_passed_over` |
//! | all older bindings removed | `opening::all_older_bindings_removed` |
//! | mark, second look | `opening::mark`, `opening::second_look` |
//! | epoch watched | `opening::epoch_watched` |
//! | epoch checked when an outcome is recorded | `sagas::epoch_checked_when_an_outcome_is_recorded`, `checkout::opening::epoch_checked_when_an_outcome_is_recorded` |
//! | held from lines alone | `sagas::held_from_lines_alone` |
//! | capture rebuilt as sold | `sagas::capture_rebuilt_as_sold` |
//! | abort through the returns | `taking::abort_through_the_returns` |
//! | deadline of saga verbs | `sagas::deadline_of_saga_verbs`, `inventory::rules::what_comes_after_its_deadline_does_nothing` |
//! | void cancels the key | `sagas::void_cancels_the_key` |
//! | zero lines published again | `broker::zero_lines_published_again` |
//! | epoch in a lower | `terms::epoch_in_a_lower` |
//! | two revisions, from a sequence | `terms::two_revisions_one_of_them_for_the_lower`, `terms::two_revisions_from_a_sequence` |

mod broker;
mod opening;
mod sagas;
mod stage;
mod taking;
mod terms;
