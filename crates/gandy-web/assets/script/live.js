"use strict";
// What is live: fragments from the server are put where they belong without disturbing who reads, selects or writes there.
const root = document.documentElement, body = document.body;
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

// What a browser keeps for a site. One that is told to keep nothing throws at its mere name.
function kept(name) {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

// Makes `old` what `now` is, keeping every element that is still there: focus, selection, scroll and open details stay.
function patch(old, now) {
  // Which row somebody stands on is the page's own.
  if (old.classList.contains("current")) now.classList.add("current");
  for (const { name } of [...old.attributes]) {
    if (!now.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of now.attributes) {
    if (old.getAttribute(name) !== value && !(name === "value" && old === document.activeElement)) old.setAttribute(name, value);
  }
  patchChildren(old, now);
}

function key(node) {
  return node.nodeType === 1 ? node.dataset.key || node.id || "" : "";
}

function patchChildren(old, now) {
  const keyed = new Map();
  for (const child of old.children) if (key(child)) keyed.set(key(child), child);
  const wantedKeys = new Set([...now.children].map(key));
  let at = old.firstChild;
  for (const wanted of [...now.childNodes]) {
    const known = key(wanted) && keyed.get(key(wanted));
    // Rows that have gone are taken out first: to move a row takes the focus from it, and all behind one that left were moved.
    while (known && at && at !== known && !wantedKeys.has(key(at))) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    if (known && known !== at) old.insertBefore(known, at);
    const here = known || at;
    const same = here && here.nodeType === wanted.nodeType && here.nodeName === wanted.nodeName && key(here) === key(wanted);
    if (!same) {
      old.insertBefore(wanted, at);
      continue;
    }
    if (here.nodeType === 1) patch(here, wanted);
    else if (here.nodeValue !== wanted.nodeValue) here.nodeValue = wanted.nodeValue;
    at = here.nextSibling;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// Rows stay where they are while somebody is about to press a button in them.
const held = new Map(), hovers = matchMedia("(hover: hover)").matches;
function put(name, html, since = held.get(name)?.since ?? Date.now()) {
  held.delete(name);
  for (const place of $$(`[data-live="${name}"]`)) {
    if (hovers && Date.now() - since < 3000 && $("tr button:hover", place)) {
      held.set(name, { html, since });
      continue;
    }
    const template = document.createElement("template");
    template.innerHTML = html;
    patchChildren(place, template.content);
    place.dispatchEvent(new CustomEvent("news", { bubbles: true }));
  }
}
setInterval(() => { for (const [name, { html, since }] of [...held]) put(name, html, since); }, 400);

// Lists stay as they were loaded; that they have changed is said.
document.addEventListener("news", (event) => {
  if (event.target.dataset.live !== "size") return;
  for (const link of $$("[data-stale]")) link.hidden = event.target.textContent.trim() === link.dataset.stale;
});

// The stream: closed while the page is hidden (a browser gives one server six connections) or paused, opened again by itself.
const live = { source: null, paused: false, wait: 1000, timer: 0, heard: Date.now() };
// The server says something every five seconds.
const SILENCE = 13000;

// Whether the dashboard itself is heard of: else all that stands here is old, and nobody would know.
function listen() {
  if (live.paused || document.hidden || !body.dataset.page) return;
  const lost = Date.now() - live.heard > SILENCE;
  const notice = $("#lost");
  if (lost && notice.hidden) {
    $("[data-lost]").textContent = new Date(live.heard).toLocaleTimeString();
    state(false, "Lost");
  }
  notice.hidden = !lost;
}
setInterval(listen, 1000);
function heard() {
  live.heard = Date.now();
  $("#lost").hidden = true;
}

function state(on, word) {
  for (const dot of $$("[data-dot]")) {
    dot.classList.toggle("on", on === true);
    dot.classList.toggle("off", on === false);
  }
  const label = $("[data-pause-word]");
  if (label) label.textContent = word;
}

function open() {
  clearTimeout(live.timer);
  if (!body.dataset.page || live.paused || document.hidden || live.source) return;
  const source = new EventSource(`${body.dataset.base}/live?page=${encodeURIComponent(body.dataset.page)}`);
  live.source = source;
  source.addEventListener("beat", () => { heard(); state(!$('[data-live="away"] .notice.bad'), "Live"); });
  source.addEventListener("news", (event) => {
    heard();
    live.wait = 1000;
    const news = JSON.parse(event.data);
    for (const [name, html] of Object.entries(news)) put(name, html);
    const away = $('[data-live="away"] .notice.bad');
    state(!away, away ? "Redis away" : "Live");
    // A page that could not be shown is shown now.
    if (!away && $(".trouble")?.dataset.again) {
      close();
      const session = kept("sessionStorage"), tries = session ? Number(session.getItem("tries")) : 3;
      session?.setItem("tries", tries + 1);
      live.timer = setTimeout(() => location.reload(), Math.min(1000 * 2 ** tries, 30000));
    }
  });
  source.onerror = () => {
    close();
    state(false, "Reconnecting");
    live.timer = setTimeout(open, live.wait);
    live.wait = Math.min(live.wait * 2, 15000);
  };
}

function close() {
  clearTimeout(live.timer);
  live.source?.close();
  live.source = null;
}

function pause() {
  const button = $("[data-pause]");
  if (!button) return;
  live.paused = !live.paused;
  button.setAttribute("aria-pressed", String(live.paused));
  $("use", button).setAttribute("href", live.paused ? "#i-play" : "#i-pause");
  if (live.paused) {
    close();
    state(null, "Paused");
  } else wake();
}

function wake() {
  live.heard = Date.now();
  open();
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : wake()));
addEventListener("pagehide", close);
addEventListener("pageshow", wake);

// Times stay true while a page is open, and are told in the reader's own zone when pointed at.
const units = [[1000, "ms"], [60000, "s"], [3600000, "min"], [86400000, "h"], [31536000000, "d"], [Infinity, "y"]];
const sizes = { ms: 1, s: 1000, min: 60000, h: 3600000, d: 86400000, y: 31536000000 };
const skew = (Date.parse(body.dataset.now) || Date.now()) - Date.now();

function relative(at) {
  const gap = at - (Date.now() + skew), far = Math.abs(gap);
  if (far < 1000) return "now";
  for (const [limit, unit] of units) {
    const rounded = Math.round(far / sizes[unit]);
    if (unit !== "ms" && rounded * sizes[unit] < limit) return gap > 0 ? `in ${rounded} ${unit}` : `${rounded} ${unit} ago`;
  }
  return "";
}

function tick() {
  for (const time of $$("time[data-rel]")) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) continue;
    const words = relative(at);
    if (time.textContent !== words) time.textContent = words;
    if (time.dataset.local !== time.dateTime) {
      time.dataset.local = time.dateTime;
      time.title = `${new Date(at).toLocaleString()} (${time.dateTime})`;
    }
  }
}
// Today's as a time of day, others with their day.
function clocks() {
  const today = new Date().toDateString();
  const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  for (const clock of $$("time[data-clock]")) {
    const at = new Date(clock.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const day = at.toDateString() === today ? {} : { month: "short", day: "numeric" };
    if (at.getFullYear() !== new Date().getFullYear()) day.year = "numeric";
    clock.textContent = at.toLocaleString([], { ...day, ...time });
  }
}
clocks();
setInterval(tick, 1000);
tick();

// On a phone the navigation is wider than the screen.
const here = $('.rail nav [aria-current="page"]');
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.clientWidth / 2 + here.clientWidth / 2;
if (!$(".trouble")) kept("sessionStorage")?.setItem("tries", 0);
for (const place of $$("[data-script]")) place.hidden = false;
$("[data-pause]")?.addEventListener("click", pause);
state(null, "Live");
open();
