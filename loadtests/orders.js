// Paid orders a second: each shopper takes a unit and pays for it, one after the other.
//
//   make load SCENARIO=orders
//   SALE=demo SKU=GALE-42 VUS=64 DURATION=20s make load SCENARIO=orders
//
// The stock must last: a round that finds nothing left counts as refused.

import { check } from "k6";
import { Counter, Trend } from "k6/metrics";

import { Shopper, anyAvailable, body } from "./lib/shop.js";

const paid = new Counter("stampede_paid");
const refused = new Counter("stampede_refused");
const paying = new Trend("stampede_checkout_ms", true);

export const options = {
  vus: Number(__ENV.VUS || "64"),
  duration: __ENV.DURATION || "20s",
  summaryTrendStats: ["p(50)", "p(95)", "p(99)", "max"],
  thresholds: {
    checks: ["rate==1"],
    stampede_paid: ["count>0"],
  },
};

export default function round() {
  const sku = __ENV.SKU || anyAvailable();
  const shopper = new Shopper();
  if (!sku || shopper.putLine(sku, 1).status === 409) {
    refused.add(1);
    return;
  }
  const reply = shopper.checkout(`orders-${__VU}-${__ITER}`, "card_ok", [201, 202]);
  paying.add(reply.timings.duration);
  const done = check(reply, { "paid, or pending for a moment": (r) => r.status === 201 || r.status === 202 });
  if (done && body(reply).status === "paid") paid.add(1);
}
