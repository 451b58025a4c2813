// The keyboard, rows and selections, theme and help.
const themes = ["", "light", "dark"];

function switchTheme() {
  const next = themes[(themes.indexOf(root.dataset.theme ?? "") + 1) % themes.length];
  if (next) root.dataset.theme = next;
  else delete root.dataset.theme;
  document.cookie = `gandy_theme=${next}; path=${body.dataset.base || "/"}; max-age=31536000; samesite=strict`;
  dispatchEvent(new Event("themechange"));
}

const rows = () => $$("[data-row]");
function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("current"));
  const to = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + by))];
  if (at >= 0) all[at].classList.remove("current");
  to.classList.add("current");
  to.scrollIntoView({ block: "nearest" });
  // A screen reader hears which row it is.
  $("[data-open]", to)?.focus({ preventScroll: true });
}
const current = () => $(".current[data-row]");

// Whoever speaks to their computer sends letters without meaning a shortcut (WCAG 2.1.4), so they can be turned off.
const letters = $("[data-letters]");
letters.checked = kept("localStorage")?.getItem("gandy_letters") !== "off";
letters.addEventListener("change", () => kept("localStorage")?.setItem("gandy_letters", letters.checked ? "on" : "off"));

let going = 0;
function go(letter) {
  const link = $(`[data-go="${CSS.escape(letter)}"]`);
  if (link) location.assign(link.href);
}

document.addEventListener("keydown", (event) => {
  const find = $("[data-filter]") ?? $("[data-find]");
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    $("[data-find]").focus();
    $("[data-find]").select();
    return;
  }
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  const writes = event.target.closest("input:not([type=checkbox]), textarea, select");
  if (writes) {
    if (event.key === "Escape") writes.blur();
    return;
  }
  if ($("dialog[open]") || (event.key.length === 1 && !letters.checked)) return;
  if (Date.now() - going < 1200) {
    going = 0;
    go(event.key);
    return;
  }
  const acts = {
    "/": () => { find.focus(); find.select(); },
    "?": () => $("#help").showModal(),
    j: () => step(1),
    k: () => step(-1),
    g: () => { going = Date.now(); },
    p: pause,
    t: switchTheme,
    x: () => $("input[type=checkbox]", current() ?? document.createElement("i"))?.click(),
    Enter: () => $("[data-open]", current() ?? document.createElement("i"))?.click(),
  };
  // Enter on a link or a button is its own.
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  const act = acts[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

$("[data-theme-switch]")?.addEventListener("click", switchTheme);
$("[data-help]")?.addEventListener("click", () => $("#help").showModal());
$("#help")?.addEventListener("click", (event) => { if (event.target.id === "help") event.target.close(); });

// Selections: how many, and all of a page at once.
function selected() {
  const boxes = $$('input[name="entry"]'), on = boxes.filter((box) => box.checked).length;
  for (const place of $$("[data-selected]")) place.textContent = on ? `${on} selected` : place.dataset.selected;
  for (const button of $$("[data-needs-selection]")) button.disabled = !on;
  const all = $("[data-all]");
  if (all) {
    all.checked = on > 0 && on === boxes.length;
    all.indeterminate = on > 0 && on < boxes.length;
  }
}
let lastBox = null;
document.addEventListener("click", (event) => {
  const box = event.target.closest?.('input[name="entry"]');
  if (!box) return;
  const boxes = $$('input[name="entry"]');
  if (event.shiftKey && lastBox) {
    const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
  }
  lastBox = box;
});
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) for (const box of $$('input[name="entry"]')) box.checked = event.target.checked;
  if (event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  selected();
});
addEventListener("pageshow", selected);

// Terms are offered for the word that is being written, behind those that stand there.
const terms = $$("#terms option"), offered = terms.map((term) => term.value);
const whole = /^\s*(?:(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'])+\s+)*/;
$("[list=terms]")?.addEventListener("input", (event) => {
  const [before] = event.target.value.match(whole);
  terms.forEach((term, at) => { term.value = before + offered[at]; });
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy || $(`#${CSS.escape(button.dataset.copyFrom)}`)?.textContent || "";
  const label = $("code", button) ?? button;
  // Clicked again, it says "Copied" itself.
  label.dataset.says ??= label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Not allowed here";
  }
  setTimeout(() => { label.textContent = label.dataset.says; }, 1500);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-stale]")) location.reload();
});

document.addEventListener("submit", (event) => {
  const chosen = $$('input[name="entry"]:checked').length;
  const words = event.submitter?.dataset.confirm?.replace("{n}", chosen === 1 ? "1 job" : `${chosen} jobs`);
  if (words && !confirm(words)) event.preventDefault();
});
