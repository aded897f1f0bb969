// /labels: tables, curves over time and, for the owner, links.

import { $, follow, made, request, say } from "./base.js";
import { chart } from "./chart.js";

const AGAIN = 10000; // ms between requests
const invited = []; // names for which a link was made on this page
let shown = "";

function row(cells, scope) {
  return made("tr", {}, ...cells.map((cell, i) => (scope === "col" || i === 0 ? made("th", { textContent: cell, scope }) : made("td", cell))));
}

function sheet({ title, columns, rows }) {
  const head = made("thead", {}, row(columns, "col")), body = made("tbody", {}, ...rows.map((cells) => row(cells, "row")));
  return made("div", { className: "sheet card", tabIndex: 0 }, made("table", {}, made("caption", title), head, body)); // the keyboard can scroll it
}

async function show(labels) {
  say(labels.whose === null ? labels.head : `Only yours: ${labels.head}`);
  if (labels.whose === null) await list();
  if (JSON.stringify(labels) === shown) return; // unchanged figures are not redrawn, so that scroll positions stay
  shown = JSON.stringify(labels);
  $("curves").replaceChildren(...labels.curves.map(chart));
  $("tables").replaceChildren(...labels.tables.map(sheet));
  $("notes").replaceChildren(...labels.notes.map((note) => made("p", note)));
}

// The annotators' links, relative to this page's URL, so that they work behind any proxy.

async function list() {
  const people = await request(`api/links?${new URLSearchParams(invited.map((name) => ["more", name]))}`);
  $("links").hidden = false;
  if (JSON.stringify(people) === $("people").dataset.shown) return;
  $("people").dataset.shown = JSON.stringify(people);
  $("people").replaceChildren(...people.map(person));
}

function person({ annotator, key }) {
  const address = new URL(`./?${new URLSearchParams({ annotator, token: key })}`, location.href).href;
  const copy = made("button", { textContent: "Copy", "aria-label": `Copy the link of ${annotator}`, hidden: !navigator.clipboard });
  copy.addEventListener("click", () => navigator.clipboard.writeText(address).then(() => { copy.textContent = "Copied"; }, () => {}));
  return made("li", {}, made("b", annotator), made("a", { textContent: address, href: address }), copy);
}

$("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  invited.push($("name").value.trim());
  try {
    await list();
    $("name").value = "";
  } catch {
    invited.pop();
    $("name").setCustomValidity("Up to 40 letters, digits, dots and dashes, without spaces.");
    $("name").reportValidity();
  }
});
$("name").addEventListener("input", () => $("name").setCustomValidity(""));

follow("api/labels", AGAIN, show);
