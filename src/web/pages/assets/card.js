// A card's details are taken by the payment provider in a frame of its own: they never reach the
// shop, which gets a token that can be used once. This runs on the checkout page alone.
(() => {
  "use strict";

  const place = document.querySelector("[data-card]");
  const form = place?.closest("form");
  if (!form || typeof Stripe !== "function") return;
  const token = form.querySelector("input[name='payment.method']");
  const press = form.querySelector("button[type=submit]");
  const fault = form.querySelector("[data-card-fault]");

  const { card: key, amount, currency } = place.dataset;
  const stripe = Stripe(key);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const elements = stripe.elements({
    mode: "payment",
    amount: Number(amount),
    currency,
    captureMethod: "manual",
    paymentMethodTypes: ["card"],
    appearance: { theme: dark ? "night" : "stripe" },
  });
  elements.create("payment").mount(place);

  const say = (message) => {
    fault.textContent = message;
    fault.hidden = !message;
  };

  const value = (name) => form.elements.namedItem(name)?.value ?? "";
  const payer = () => ({
    billing_details: {
      name: value("shipping.name"),
      email: value("email"),
      address: { country: value("shipping.country"), postal_code: value("shipping.postal_code") },
    },
  });

  let asking = false;
  const ask = async () => {
    const checked = await elements.submit();
    if (checked.error) return checked;
    return stripe.createConfirmationToken({ elements, params: { payment_method_data: payer() } });
  };

  // Before the form is sent: first the token, then the form once more, with it.
  form.addEventListener("submit", async (event) => {
    if (token.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (asking) return;
    asking = true;
    press.setAttribute("aria-busy", "true");
    say("");
    const answer = await ask().catch(() => ({ error: {} }));
    asking = false;
    press.removeAttribute("aria-busy");
    if (answer.error) {
      say(answer.error.message || "The card could not be read: please try again.");
      return;
    }
    token.value = answer.confirmationToken.id;
    // a form is not sent from within its own sending, which may not be over yet
    setTimeout(() => form.requestSubmit(press));
  }, true);

  // Back from the next page a token is used up.
  addEventListener("pageshow", () => {
    token.value = "";
  });
})();
