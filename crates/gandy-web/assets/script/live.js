"use strict";
// What is live: fragments from the server are put where they belong without disturbing who reads, selects or writes there.
const root = document.documentElement, body = document.body;
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

// Makes `old` what `now` is, keeping every element that is still there: focus, selection, scroll and open details stay.
function patch(old, now) {
  for (const { name } of [...old.attributes]) {
    const kept = name === "open" || (name === "class" && old.classList.contains("current"));
    if (!now.hasAttribute(name) && !kept) old.removeAttribute(name);
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
  let at = old.firstChild;
  for (const wanted of [...now.childNodes]) {
    const known = key(wanted) && keyed.get(key(wanted));
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

function put(name, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const place of $$(`[data-live="${name}"]`)) {
    patchChildren(place, template.content.cloneNode(true));
    place.dispatchEvent(new CustomEvent("news", { bubbles: true }));
  }
}

// The stream: closed while the page is hidden (a browser gives one server six connections) or paused, opened again by itself.
const live = { source: null, paused: false, wait: 1000, timer: 0 };

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
  source.addEventListener("news", (event) => {
    live.wait = 1000;
    const news = JSON.parse(event.data);
    for (const [name, html] of Object.entries(news)) put(name, html);
    const away = $('[data-live="away"] .notice');
    state(!away, away ? "Redis away" : "Live");
    // A page that could not be shown is shown now.
    if (!away && $(".trouble")?.dataset.again) location.reload();
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
  } else open();
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", open);

// Times stay true while a page is open, and are told in the reader's own zone when pointed at.
const units = [[1000, "ms"], [60000, "s"], [3600000, "min"], [86400000, "h"], [31536000000, "d"], [Infinity, "y"]];
const sizes = { ms: 1, s: 1000, min: 60000, h: 3600000, d: 86400000, y: 31536000000 };
const skew = (Date.parse($("[data-now]")?.dataset.now ?? "") || Date.now()) - Date.now();

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
    if (!time.dataset.local) {
      time.dataset.local = "1";
      time.title = `${new Date(at).toLocaleString()} (${time.dateTime})`;
    }
  }
}
setInterval(tick, 1000);
tick();

for (const place of $$("[data-script]")) place.hidden = false;
$("[data-pause]")?.addEventListener("click", pause);
state(null, "Live");
open();
