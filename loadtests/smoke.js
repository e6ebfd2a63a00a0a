// The whole journey, by a few shoppers at once: does the shop work at all?
//
//   make load                                       against the shop of `make run`
//   make load TARGET=http://127.0.0.1:9080
//   SALE=soon VUS=20 DURATION=1m make load
//
// Each round, three shoppers: one buys, one takes and releases, one has a card that is declined.
// That stock ends is no failure; a round that meets it counts as refused. PAUSE (seconds between
// a shopper's rounds) keeps the demo's stock from being bought up in one go.

import { check, fail, group, sleep } from "k6";
import exec from "k6/execution";
import { Counter } from "k6/metrics";

import { SALE, Shopper, TARGET, anyAvailable, body, sale, sales, stock } from "./lib/shop.js";

const PAUSE = Number(__ENV.PAUSE || "1");

const refused = new Counter("stampede_refused");
const bought = new Counter("stampede_bought");

export const options = {
  vus: Number(__ENV.VUS || "5"),
  duration: __ENV.DURATION || "20s",
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    // Without it, a shop that only ever refuses would pass.
    stampede_bought: ["count>0"],
    "http_req_duration{name:PUT /cart/lines/{sku}}": ["p(95)<500"],
    "http_req_duration{name:POST /checkout}": ["p(95)<2000"],
    "http_req_duration{name:GET /sales/{slug}/stock}": ["p(95)<200"],
  },
};

// A sale that has just been imported takes a moment to open.
export function setup() {
  for (let tries = 0; tries < 30; tries += 1) {
    const reply = stock([200, 404, 503]);
    if (reply.status === 0) fail(`nothing answers at ${TARGET}: is the shop running (make run)?`);
    if (reply.status === 404) fail(`there is no sale "${SALE}" at ${TARGET}`);
    const sku = reply.status === 200 ? Object.keys(body(reply))[0] : null;
    if (sku) {
      const claim = new Shopper().putLine(sku, 0, [200, 403, 503]);
      if (claim.status === 200) return;
      if (body(claim).code === "sale_ended") fail(`the sale "${SALE}" is over`);
    }
    sleep(1);
  }
  fail(`the sale "${SALE}" did not open within 30 s`);
}

export default function round() {
  group("browse", browse);
  group("buy", buy);
  group("release", release);
  group("declined", declined);
  sleep(PAUSE);
}

function browse() {
  check(sales(), { "the sale is listed": (r) => r.status === 200 && r.body.includes(`"${SALE}"`) });
  check(sale(), { "the sale is shown": (r) => r.status === 200 });
  check(stock(), {
    "stock counts are whole numbers": (r) =>
      Object.values(body(r)).every((s) => [s.available, s.held, s.sold].every(Number.isInteger)),
  });
}

// A fresh shopper with one unit in the cart, or null when the shop has none left to give.
function withOneUnit() {
  const sku = anyAvailable();
  if (sku === null) {
    refused.add(1, { code: "sold_out" });
    return null;
  }
  const shopper = new Shopper();
  check(shopper.session, {
    "a session is made": (r) => r.status === 201 && /^shp_/.test(body(r).shopper) && body(r).token,
  });
  const first = shopper.putLine(sku, 1);
  if (["sold_out", "limit_reached"].includes(body(first).code)) {
    refused.add(1, { code: body(first).code });
    return null;
  }
  check(first, {
    "a line is created": (r) => r.status === 201,
    "the line says what it holds": (r) => body(r).sku === sku && body(r).quantity === 1,
    "the line says how long": (r) => Date.parse(body(r).expires_at) > Date.now(),
  });
  return { shopper, sku, expiresAt: body(first).expires_at };
}

function buy() {
  const start = withOneUnit();
  if (start === null) return;
  const { shopper, sku, expiresAt } = start;

  check(shopper.putLine(sku, 1), {
    "the same line again stands": (r) => r.status === 200,
    "asking again holds no longer": (r) => body(r).expires_at === expiresAt,
  });
  const cart = shopper.cart();
  check(cart, {
    "the cart has the line": (r) => body(r).lines.length === 1 && body(r).lines[0].sku === sku,
    "the cart has a version": (r) => Boolean(body(r).version),
  });

  const key = keyFor("buy");
  check(shopper.checkout("", "card_ok", [400]), {
    "a checkout without a key is refused": (r) => body(r).code === "invalid_request",
  });
  const paid = shopper.checkout(key, "card_ok", [201], { cart_version: body(cart).version });
  const order = body(paid);
  if (check(paid, { "the order is paid": (r) => r.status === 201 && order.status === "paid" })) {
    bought.add(1);
  }
  check(paid, {
    "the order costs what the cart did": () => order.total.amount === body(cart).total.amount,
  });

  check(shopper.checkout(key, "card_ok", [201], { cart_version: body(cart).version }), {
    "the same key is the same order": (r) => r.status === 201 && body(r).id === order.id,
  });
  check(shopper.checkout(key, "card_slow", [422]), {
    "the same key with another body is refused": (r) => r.status === 422,
  });
  check(shopper.order(order.id), {
    "the order can be looked up": (r) => body(r).id === order.id && body(r).status === "paid",
    "the order has its line": (r) => body(r).lines[0].sku === sku,
    "the order was paid at a time": (r) => Boolean(body(r).paid_at),
  });
  check(shopper.orders(), { "the shopper has an order": (r) => r.body.includes(order.id) });
  check(shopper.cart(), { "the cart is empty after": (r) => body(r).lines.length === 0 });
  check(shopper.checkout(keyFor("again"), "card_ok", [409]), {
    "an empty cart cannot be bought": (r) => body(r).code === "cart_empty",
  });
}

function release() {
  const start = withOneUnit();
  if (start === null) return;
  const { shopper, sku } = start;
  check(shopper.deleteLine(sku), { "a line is released": (r) => r.status === 204 });
  check(shopper.deleteLine(sku), { "releasing again does no harm": (r) => r.status === 204 });
  check(shopper.cart(), { "the cart is empty": (r) => body(r).lines.length === 0 });
}

function declined() {
  const start = withOneUnit();
  if (start === null) return;
  const { shopper, sku } = start;
  const key = keyFor("declined");
  check(shopper.checkout(key, "card_declined", [402]), {
    "a declined card is said to be": (r) => body(r).code === "payment_declined",
  });
  check(shopper.checkout(key, "card_declined", [402]), {
    "the same key is declined again": (r) => r.status === 402,
  });
  check(shopper.cart(), { "the hold is kept": (r) => body(r).lines.length === 1 });
  check(shopper.putLine(sku, 0), {
    "a line set to nothing is released": (r) => r.status === 200 && body(r).expires_at === null,
  });
}

// One for each round of each shopper of each run.
function keyFor(what) {
  return `${what}-${exec.vu.idInTest}-${exec.vu.iterationInScenario}-${Date.now()}-${Math.random()}`;
}
