// What moves by itself: countdowns against the server's clock, stock, the cart in the page's head,
// one tap that takes. Every page works without this file.
"use strict";

(() => {
  const FEW = 10; // as in words.rs
  const MINUTE = 60_000;

  const all = (css, root = document) => [...root.querySelectorAll(css)];
  const one = (css, root = document) => root.querySelector(css);
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  // Around a length of time: a crowd that began together does not go on together.
  const about = (ms) => ms * (0.75 + Math.random() / 2);
  const write = (place, text) => place && place.textContent !== text && (place.textContent = text);
  const show = (place, shown) => place && place.hidden === shown && (place.hidden = !shown);
  // Said to who cannot see the page: changes of state, never a ticking clock.
  const announce = (text) => write(one("#live"), text);

  const memory = {
    get: (name) => { try { return localStorage.getItem(name); } catch { return null; } },
    set: (name, value) => {
      try { value ? localStorage.setItem(name, value) : localStorage.removeItem(name); } catch { /* not allowed */ }
    },
  };

  // --- The server's clock minus ours. `Date` is cut to whole seconds, may be half a second old, and
  // a reply takes time: so each reply tells bounds, and together they close in. Bounds that
  // contradict each other say that our clock was set meanwhile: then only the newest count.
  let [low, high, jumped] = [-Infinity, Infinity, false];
  const heard = (reply, sent) => {
    const date = Date.parse(reply.headers.get("date") || "");
    if (Number.isNaN(date)) return;
    const age = reply.headers.get("age");
    const from = date + Number(age || 0) * 1000;
    const [least, most] = [from - Date.now(), from + (age ? 2500 : 1500) - sent];
    const fits = !jumped && least <= high && most >= low;
    [low, high] = fits ? [Math.max(low, least), Math.min(high, most)] : [least, most];
    jumped = false;
  };
  const known = () => Number.isFinite(low);
  const now = () => Date.now() + (known() ? (low + high) / 2 : 0);
  // Sets of our clock, and sleep, part it from the one that only runs.
  let drift = Date.now() - performance.now();
  const woke = () => {
    const was = drift;
    drift = Date.now() - performance.now();
    return Math.abs(drift - was) > 1500;
  };

  const ask = async (url, options) => {
    const sent = Date.now();
    const reply = await fetch(url, { cache: "no-cache", signal: AbortSignal.timeout?.(8000), ...options });
    heard(reply, sent);
    return reply;
  };

  let leaving = false;
  const reload = (ms) => {
    if (leaving) return;
    leaving = true;
    setTimeout(() => location.reload(), about(ms));
  };

  // --- Times, in the shopper's zone.
  const zoned = new Intl.DateTimeFormat("en-GB", {
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  for (const time of all("time:not([data-count])")) write(time, zoned.format(new Date(time.dateTime)));

  const two = (n) => String(n).padStart(2, "0");
  const spoken = (ms) => {
    const left = Math.ceil(ms / 1000);
    const [d, h, m, s] = [left / 86400, (left / 3600) % 24, (left / 60) % 60, left % 60].map(Math.floor);
    if (d > 0) return `${d} d ${h} h`;
    return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };

  const count = (time) => {
    const left = Date.parse(time.dateTime) - now();
    if (Number.isNaN(left)) return; // nothing is held yet
    time.classList.add("counts");
    if (time.dataset.count) write(time.previousElementSibling, time.dataset.count);
    write(time, spoken(Math.max(0, left)));
    if (!("hold" in time.dataset)) return;
    const hold = time.closest(".hold, .held") || time;
    if (left < MINUTE && !hold.classList.contains("late")) {
      hold.classList.add("late");
      announce("Less than a minute is left to pay for your cart.");
    }
    // What ran out shows as a page of its own, where the cart is the page.
    if (left <= 0 && known()) {
      if (one("[data-mine]")) reload(1500);
      else mine(null);
    }
  };

  // --- Phases. At ten the button wakes up here, and nobody asks the server for anything.
  const places = all("[data-phase]");
  const button = one(".choose button");
  const enter = (place, phase) => {
    place.dataset.phase = phase;
    if (!place.dataset.sale) return;
    announce(phase === "open" ? "The sale is open." : "The sale has ended.");
    arm();
    if (phase === "open") poll(about(2500)); // not everybody in the same instant
  };
  const pass = () => {
    // A clock that was not compared yet may be wrong by hours.
    if (!known() && performance.now() < 5000) return;
    const at = now();
    for (const place of places) {
      const { phase, starts, ends } = place.dataset;
      const left = Date.parse(starts) - at;
      if (phase === "before" && left <= 0) enter(place, "open");
      else if (phase === "before" && left < 250) setTimeout(pass, left);
      if (place.dataset.phase === "open" && at >= Date.parse(ends)) enter(place, "ended");
    }
  };

  // --- Stock, in the words of words.rs.
  const words = (available, held) => {
    if (available > FEW) return "in stock";
    if (available > 0) return `${available} left`;
    return held > 0 ? "all in carts" : "sold out";
  };
  const shelf = (held) => held > 0
    ? `Sold out for now: ${held} held in carts. What is not paid in time comes back.`
    : "Sold out. Every one has found its owner.";

  let stock = null;
  const sum = (skus) => skus.split(" ").reduce((total, sku) => {
    const { available = 0, held = 0 } = stock[sku] || {};
    return { available: total.available + Math.max(0, available), held: total.held + held };
  }, { available: 0, held: 0 });
  const tell = () => {
    if (!stock) return;
    for (const place of all("[data-skus]")) {
      if (!place.dataset.skus) continue;
      const { available, held } = sum(place.dataset.skus);
      write(place, words(available, held));
      const radio = one("input[type=radio]", place.closest(".tile") || place);
      if (radio) radio.disabled = available <= 0;
    }
    const place = one("[data-shelf]");
    if (place) {
      const { available, held } = sum(place.dataset.shelf);
      if (place.hidden !== available > 0) announce(available > 0 ? "Available again." : shelf(held));
      if (available <= 0) write(place, shelf(held));
      show(place, available <= 0);
    }
    arm();
  };

  // Whether the button may be pressed, and what it says.
  let busy = false;
  const arm = () => {
    if (!button || !places[0]) return;
    const empty = one("[data-shelf]");
    const gone = empty && !empty.hidden ? (empty.textContent.includes(" for now") ? "Sold out for now" : "Sold out") : "";
    if (!busy) button.disabled = places[0].dataset.phase !== "open" || Boolean(gone);
    const sku = form && new FormData(form).get("sku");
    const held = cart?.lines.some((line) => line.sku === sku);
    write(one("[data-label]"), busy ? "Adding…" : gone || (held ? "Change cart" : "Add to cart"));
  };

  // --- Asking again and again: seldom while nothing moves, in turn, and less when it fails.
  const shelves = one("[data-stock]")?.dataset.stock;
  let [failures, next] = [0, 0];
  const rest = () => {
    const { phase, starts } = places[0]?.dataset || {};
    const far = phase === "before" && Date.parse(starts) - now() > 2 * MINUTE;
    const calm = !shelves || far ? 30_000 : phase === "open" ? 2_200 : 6_000;
    return Math.min(MINUTE, calm * 2 ** failures) * (navigator.connection?.saveData ? 3 : 1);
  };
  const look = async () => {
    if (document.hidden) return;
    const place = places[0];
    try {
      if (place?.dataset.phase === "paused" && place.dataset.sale) {
        const reply = await ask(`/api/v1/sales/${place.dataset.sale}`);
        if (reply.ok && (await reply.json()).phase !== "paused") reload(1500);
      }
      const reply = await ask(shelves || "/favicon.ico", { method: shelves ? "GET" : "HEAD" });
      failures = reply.ok ? 0 : Math.min(failures + 1, 5);
      if (shelves && reply.ok) {
        stock = await reply.json();
        tell();
      }
    } catch {
      failures = Math.min(failures + 1, 5);
    }
    poll(about(rest()));
  };
  const poll = (ms) => {
    clearTimeout(next);
    next = setTimeout(look, ms);
  };

  // --- The shopper's own. His session is in a cookie that no script reads; that there is one is
  // remembered here, so that nobody without a cart asks for one.
  const bag = one("[data-bag]");
  const flag = bag && `cart:${bag.dataset.bag}`;
  let cart = null;
  const mine = (found) => {
    cart = found?.lines.length ? found : null;
    if (!bag) return;
    memory.set(flag, cart ? "1" : "");
    const units = cart ? cart.lines.reduce((total, line) => total + line.quantity, 0) : 0;
    const [badge, held] = [one("[data-badge]", bag), one(".held", bag)];
    write(badge, units ? String(units) : "");
    show(badge, units > 0);
    if (cart) { held.dateTime = cart.expires_at; held.dataset.hold = ""; count(held); }
    show(held, Boolean(cart));
    if (!cart) show(one("[data-won]"), false), show(one(".go"), true);
    arm();
  };
  const recall = async () => {
    if (!bag || !memory.get(flag)) return;
    show(one(".held", bag), true); // its room, before the answer is here
    const reply = await ask(`/api/v1/sales/${bag.dataset.bag}/cart`).catch(() => null);
    if (reply?.ok) mine(await reply.json());
    else if (reply && reply.status < 500) mine(null);
  };

  // --- One tap. A line is set, not added to, so a lost reply is answered by asking again.
  const form = one("form[data-buy]");
  const said = (text, waits) => {
    const place = one("[data-said]");
    place.className = waits ? "said wait" : "said";
    write(place, text);
    show(place, Boolean(text));
    if (text) announce(text);
  };
  let session = null;
  // The session comes first, when a size is chosen: who asks again is then the same shopper.
  const introduce = (again) => {
    if (again) memory.set("shopper", "");
    if (memory.get("shopper")) return Promise.resolve();
    session ??= ask("/api/v1/session", { method: "POST" }).then((reply) => {
      if (!reply.ok) throw new Error("no session");
      memory.set("shopper", "1");
    }).finally(() => { session = null; });
    return session;
  };
  const TRIES = 6;
  const take = async (sku, quantity) => {
    const options = {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ quantity }),
    };
    for (let nth = 1; ; nth += 1) {
      let [wait, text] = [400 * 2 ** nth, "No answer yet. Trying again…"];
      try {
        await introduce();
        const reply = await ask(form.dataset.buy + encodeURIComponent(sku), { ...options });
        const body = await reply.json().catch(() => ({}));
        if (reply.ok) return { line: body };
        if (reply.status === 401) {
          await introduce(true);
          [wait, text] = [0, ""];
        } else if (body.code === "sale_not_started") {
          [wait, text] = [400, "The doors are opening…"];
        } else if (body.code === "unavailable" || [429, 502, 504].includes(reply.status)) {
          [wait, text] = [(body.retry_after || 1) * 1000, "Busy at the doors. You are in line…"];
        } else {
          return { problem: `${body.title || "That did not work."}: ${body.detail || ""}` };
        }
      } catch {
        // The line broke; what was asked for may have been done.
      }
      if (nth === TRIES) return { problem: "No answer. Tap once more: you will not get it twice." };
      if (text) said(text, true);
      await pause(about(wait));
    }
  };
  const buy = async () => {
    const chosen = new FormData(form);
    const [sku, quantity] = [chosen.get("sku"), Number(chosen.get("quantity"))];
    const label = one(`input[value="${CSS.escape(sku)}"]`, form).closest(".tile").querySelector(".label").textContent;
    busy = true;
    button.setAttribute("aria-busy", "true");
    said("");
    arm();
    const { line, problem } = await take(sku, quantity);
    busy = false;
    button.removeAttribute("aria-busy");
    if (problem) said(problem);
    else {
      const got = `Yours: ${line.quantity} × ${label}.`;
      write(one("[data-got]"), got);
      const held = one("[data-won] time");
      held.dateTime = line.expires_at;
      count(held);
      const lines = (cart?.lines || []).filter((other) => other.sku !== sku);
      mine({ lines: [...lines, { sku, quantity: line.quantity }], expires_at: line.expires_at });
      show(one(".go"), false);
      show(one("[data-won]"), true);
      announce(`${got} To be paid within ${spoken(Date.parse(line.expires_at) - now())}.`);
      one("[data-won] a:last-child").focus({ preventScroll: true });
    }
    arm();
    poll(about(1000));
  };
  if (form && button) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!busy) buy();
    });
    form.addEventListener("change", () => {
      const tile = one("input[type=radio]:checked", form)?.closest(".tile");
      const chosen = one("[data-chosen]");
      if (tile && chosen) {
        chosen.dataset.skus = one("input", tile).value;
        write(chosen, one(".stock", tile)?.textContent || "");
        write(one("[data-price]"), (one(".price", tile) || one(".cost .price")).textContent);
      }
      show(one("[data-won]"), false);
      show(one(".go"), true);
      said("");
      arm();
      introduce().catch(() => {});
    });
  }

  // --- Forms that are sent once: a second press would only be told so.
  for (const once of all("form[data-once]")) {
    const press = one("button[type=submit]", once);
    const text = press.textContent;
    once.addEventListener("submit", (event) => {
      if (once.dataset.sent) event.preventDefault();
      once.dataset.sent = "yes";
      press.setAttribute("aria-busy", "true");
      write(press, once.dataset.once);
    });
    // Back from the next page it may be sent again.
    addEventListener("pageshow", () => {
      delete once.dataset.sent;
      press.removeAttribute("aria-busy");
      write(press, text);
    });
  }

  // --- An order whose outcome is not known yet.
  const order = one("[data-order]")?.dataset.order;
  const waitFor = async (ms) => {
    await pause(about(ms));
    const reply = document.hidden ? null : await ask(order).catch(() => null);
    if (reply?.ok && (await reply.json()).status !== "pending") location.reload();
    else waitFor(Math.min(ms * 1.3, 10_000));
  };
  if (order) waitFor(1200);

  const again = one("[data-again]")?.dataset.again;
  if (again) reload(Number(again) * 1300);

  for (const print of all("[data-print]")) {
    show(print, true);
    print.addEventListener("click", () => window.print());
  }

  // --- What the server drew of the cart is remembered; what it could not draw is asked for.
  const drawn = one("[data-mine]")?.dataset.mine;
  if (drawn && bag) {
    memory.set(flag, drawn === "0" ? "" : "1");
    write(one("[data-badge]", bag), drawn);
    show(one("[data-badge]", bag), drawn !== "0");
  } else recall();

  const tick = () => {
    if (document.hidden) return;
    if (woke()) {
      jumped = true;
      poll(Math.random() * 500);
    }
    for (const time of all("time[data-count]")) count(time);
    pass();
  };
  if (one("time[data-count]") || places.length > 0) {
    tick();
    setInterval(tick, 250);
    look();
  }
  const back = () => {
    if (document.hidden) return;
    tick();
    poll(Math.random() * 500);
    recall();
  };
  document.addEventListener("visibilitychange", back);
  addEventListener("pageshow", (event) => event.persisted && back());
})();
