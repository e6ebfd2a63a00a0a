// A shopper as an API client: who they are, and the calls of /api/v1.

import http from "k6/http";

export const TARGET = (__ENV.TARGET || "http://127.0.0.1:8080").replace(/\/+$/, "");
export const SALE = __ENV.SALE || "demo";

const API = `${TARGET}/api/v1`;

// A reply is a failed request only when its status is none of these.
function params(name, statuses, more) {
  return {
    headers: Object.assign({ Accept: "application/json" }, more.headers),
    jar: more.jar,
    tags: { name },
    responseCallback: http.expectedStatuses(...statuses),
    timeout: "15s",
  };
}

// The body as JSON, or an empty object for none and for what is no JSON.
export function body(reply) {
  try {
    return reply.json() || {};
  } catch {
    return {};
  }
}

export function sales() {
  return http.get(`${API}/sales`, params("GET /sales", [200], {}));
}

export function sale() {
  return http.get(`${API}/sales/${SALE}`, params("GET /sales/{slug}", [200], {}));
}

export function stock(statuses = [200]) {
  return http.get(`${API}/sales/${SALE}/stock`, params("GET /sales/{slug}/stock", statuses, {}));
}

// A SKU of the sale with units left, at random among those with many; null when all is gone.
export function anyAvailable() {
  const left = Object.entries(body(stock())).filter(([, units]) => units.available > 0);
  const most = Math.max(...left.map(([, units]) => units.available));
  const plenty = left.filter(([, units]) => units.available * 2 >= most);
  return plenty.length > 0 ? plenty[Math.floor(Math.random() * plenty.length)][0] : null;
}

export class Shopper {
  constructor() {
    // Cookies of one shopper must not reach the next, and the token alone says who asks.
    this.jar = new http.CookieJar();
    this.session = http.post(`${API}/session`, null, params("POST /session", [201], { jar: this.jar }));
    this.token = body(this.session).token;
  }

  params(name, statuses, headers = {}) {
    const all = Object.assign({ Authorization: `Bearer ${this.token}` }, headers);
    return params(name, statuses, { jar: this.jar, headers: all });
  }

  putLine(sku, quantity, statuses = [200, 201, 409]) {
    const name = "PUT /cart/lines/{sku}";
    return http.put(
      `${API}/sales/${SALE}/cart/lines/${sku}`,
      JSON.stringify({ quantity }),
      this.params(name, statuses, { "Content-Type": "application/json" }),
    );
  }

  deleteLine(sku) {
    const name = "DELETE /cart/lines/{sku}";
    return http.del(`${API}/sales/${SALE}/cart/lines/${sku}`, null, this.params(name, [204]));
  }

  cart() {
    return http.get(`${API}/sales/${SALE}/cart`, this.params("GET /cart", [200]));
  }

  // `statuses` are those that the caller expects.
  checkout(key, method, statuses, more = {}) {
    const order = Object.assign(
      {
        email: "smoke@example.org",
        shipping: {
          name: "Ada Smoke",
          line1: "1 Test Lane",
          city: "Utrecht",
          postal_code: "3511 AB",
          country: "NL",
        },
        payment: { method },
      },
      more,
    );
    const headers = { "Content-Type": "application/json" };
    if (key) headers["Idempotency-Key"] = key;
    return http.post(
      `${API}/sales/${SALE}/checkout`,
      JSON.stringify(order),
      this.params("POST /checkout", statuses, headers),
    );
  }

  order(id) {
    return http.get(`${API}/orders/${id}`, this.params("GET /orders/{id}", [200]));
  }

  orders() {
    return http.get(`${API}/orders`, this.params("GET /orders", [200]));
  }
}
