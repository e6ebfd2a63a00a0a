// Countdowns against the server's clock, and stock that moves by itself. Every page works
// without this file.
"use strict";

(() => {
  const FEW = 10; // as in view.rs
  const POLL_MS = 2000;

  // The server's clock minus ours. `Date` is cut to whole seconds and a reply takes time, so each
  // reply tells an instant that the server's clock has passed: the largest is the nearest.
  let offset = -Infinity;
  const heard = (reply) => {
    const date = Date.parse(reply.headers.get("date") || "");
    const age = Number(reply.headers.get("age") || 0) * 1000;
    if (!Number.isNaN(date)) offset = Math.max(offset, date + age - Date.now());
  };
  const now = () => Date.now() + (Number.isFinite(offset) ? offset : 0);

  const two = (n) => String(n).padStart(2, "0");
  const spoken = (ms) => {
    const all = Math.ceil(ms / 1000);
    const [d, h, m, s] = [all / 86400, (all / 3600) % 24, (all / 60) % 60, all % 60].map(Math.floor);
    if (d > 0) return `${d} d ${h} h`;
    return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  };

  // Whatever was waited for: the page is another one now. Not everybody asks in the same instant.
  let leaving = false;
  const reload = () => {
    if (leaving) return;
    leaving = true;
    setTimeout(() => location.reload(), 200 + Math.random() * 800);
  };

  const countdowns = [...document.querySelectorAll("time[data-count]")].map((time) => {
    time.title = time.textContent;
    return { time, at: Date.parse(time.dateTime) };
  });
  const tick = () => {
    for (const { time, at } of countdowns) {
      const left = at - now();
      time.textContent = left > 0 ? `${time.dataset.count} ${spoken(left)}` : "now";
      if (left <= 0 && Number.isFinite(offset)) reload();
    }
  };

  const words = (available, held) => {
    if (available > FEW) return "in stock";
    if (available > 0) return `${available} left`;
    return held > 0 ? "all in carts" : "sold out";
  };
  const show = (stock) => {
    for (const place of document.querySelectorAll("[data-skus]")) {
      const counts = place.dataset.skus.split(" ").map((sku) => stock[sku]).filter(Boolean);
      if (counts.length === 0) continue;
      const sum = (field) => counts.reduce((total, count) => total + count[field], 0);
      const text = words(sum("available"), sum("held"));
      if (place.textContent !== text) place.textContent = text;
      const radio = place.closest("label")?.querySelector("input[type=radio]");
      if (radio) radio.disabled = sum("available") <= 0;
    }
  };

  const url = document.querySelector("[data-stock]")?.dataset.stock;
  const ask = async () => {
    if (document.hidden) return;
    try {
      const reply = await fetch(url || location.origin + "/favicon.ico", { method: url ? "GET" : "HEAD" });
      heard(reply);
      if (url && reply.ok) show(await reply.json());
    } catch {
      // The next one may get through.
    }
  };

  // A form that was sent is on its way: a second click would only be told so.
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      form.querySelector("button[type=submit]").setAttribute("aria-busy", "true");
    });
  }
  // Back from the next page: the form may be sent again.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-once]")) delete form.dataset.sent;
  });

  if (countdowns.length > 0) {
    tick();
    setInterval(tick, 250);
  }
  if (url || countdowns.length > 0) {
    ask();
    setInterval(ask, POLL_MS + Math.random() * 500);
    document.addEventListener("visibilitychange", ask);
  }
})();
