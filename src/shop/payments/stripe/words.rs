//! What a refusal of Stripe's means for an order, in words of ours.

use super::client::Refusal;

/// A refusal that says no more, or that a shopper must not be told more of: a card that was
/// reported stolen is simply declined.
pub(super) const DECLINED: &str = "card_declined";

/// The order's reason; `None` for a refusal that is not about the shopper's payment but about
/// how we asked.
pub(super) fn declined(refusal: &Refusal) -> Option<&'static str> {
    let told = refusal.decline_code.as_deref().or(refusal.code.as_deref()).unwrap_or_default();
    let word = match told {
        "insufficient_funds" | "withdrawal_count_limit_exceeded" | "card_velocity_exceeded" => {
            "insufficient_funds"
        }
        "expired_card" => "expired_card",
        "incorrect_cvc" | "invalid_cvc" => "incorrect_cvc",
        "incorrect_number"
        | "invalid_number"
        | "invalid_account"
        | "invalid_expiry_month"
        | "invalid_expiry_year"
        | "incorrect_zip"
        | "incorrect_pin" => "card_details_wrong",
        "card_not_supported" | "currency_not_supported" => "card_not_supported",
        "processing_error" | "issuer_not_available" | "try_again_later" | "reenter_transaction" => {
            "payment_failed"
        }
        "authentication_required"
        | "authentication_not_handled"
        | "payment_intent_authentication_failure" => "authentication_failed",
        "amount_too_small" | "amount_too_large" => "amount_refused",
        // another account's, or invented
        "resource_missing" if refusal.is_of_method() => "payment_method_invalid",
        "payment_method_unactivated"
        | "payment_method_invalid_parameter"
        | "payment_method_not_available"
        | "token_already_used" => "payment_method_invalid",
        _ if refusal.kind.as_deref() == Some("card_error") => DECLINED,
        _ => return None,
    };
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(kind: &str, code: &str, decline: Option<&str>) -> Option<&'static str> {
        declined(&Refusal {
            kind: Some(kind.to_owned()),
            code: Some(code.to_owned()),
            decline_code: decline.map(str::to_owned),
            ..Refusal::default()
        })
    }

    #[test]
    fn refusals_are_told_in_our_words() {
        let card = |code, decline| word("card_error", code, decline);
        assert_eq!(card("card_declined", Some("insufficient_funds")), Some("insufficient_funds"));
        assert_eq!(card("expired_card", None), Some("expired_card"));
        // what must not be told apart
        for secret in ["lost_card", "stolen_card", "fraudulent", "pickup_card", "do_not_honor"] {
            assert_eq!(card("card_declined", Some(secret)), Some(DECLINED));
        }
        // what is our own fault declines nobody's card
        assert_eq!(word("invalid_request_error", "parameter_missing", None), None);
        assert_eq!(word("idempotency_error", "", None), None);
    }
}
