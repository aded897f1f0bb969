// /labels: tables, curves over time and, for the owner, links. Text is never parsed as HTML.

import { chart, made } from "./chart.js";

const link = new URLSearchParams(location.search);
const token = link.get("token") ?? "", headers = { authorization: `Bearer ${token}` };
const AGAIN = 10000; // ms between requests while the page is visible
const $ = (id) => document.getElementById(id);
const invited = []; // names for which a link was made on this page

function row(cells, names) {
  return made("tr", "", ...cells.map((cell, i) => {
    const element = made(names === "col" || i === 0 ? "th" : "td", cell);
    if (element.tagName === "TH") element.scope = names;
    return element;
  }));
}

function sheet({ title, columns, rows }) {
  const table = made("table", "", made("caption", title), made("thead", "", row(columns, "col")));
  table.append(made("tbody", "", ...rows.map((cells) => row(cells, "row"))));
  const place = made("div", "", table);
  place.className = "sheet";
  place.tabIndex = 0; // so that the keyboard can scroll it
  return place;
}

function say(text, bad) {
  if ($("head").textContent !== text) $("head").textContent = text;
  $("head").classList.toggle("bad", bad);
}

async function read(address) {
  const answer = await fetch(address, { headers });
  const content = await answer.json();
  return answer.ok ? content : Promise.reject(Object.assign(new Error(content.detail), { status: answer.status }));
}

let shown = "";

async function look() {
  try {
    const labels = await read("api/labels");
    say(labels.whose === null ? labels.head : `${labels.head}, yours`, false);
    if (labels.whose === null) await list();
    if (JSON.stringify(labels) === shown) return; // unchanged figures are not redrawn, so that scroll positions stay
    shown = JSON.stringify(labels);
    $("curves").replaceChildren(...labels.curves.map(chart));
    $("tables").replaceChildren(...labels.tables.map(sheet));
    $("notes").replaceChildren(...labels.notes.map((note) => made("p", note)));
  } catch (error) {
    say(error.status ? error.message : "The server does not respond: start it again with rlhp annotate.", true);
  }
}

// The annotators' links, relative to this page's URL, so that they work behind any proxy.

async function list() {
  const people = await read(`api/links?${new URLSearchParams(invited.map((name) => ["more", name]))}`);
  $("links").hidden = false;
  if (JSON.stringify(people) === $("people").dataset.shown) return;
  $("people").dataset.shown = JSON.stringify(people);
  $("people").replaceChildren(...people.map(person));
}

function person({ annotator, key }) {
  const address = new URL(`./?${new URLSearchParams({ annotator, token: key })}`, location.href).href;
  const anchor = made("a", address);
  anchor.href = address;
  const copy = made("button", "Copy");
  copy.type = "button";
  copy.setAttribute("aria-label", `Copy the link of ${annotator}`);
  copy.addEventListener("click", () => navigator.clipboard.writeText(address).then(() => { copy.textContent = "Copied"; }, () => {}));
  return made("li", "", made("b", annotator), anchor, ...(navigator.clipboard ? [copy] : []));
}

$("invite").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  invited.push(name);
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

$("back").href = `./?${link}`;
look();
setInterval(() => document.hidden || look(), AGAIN);
document.addEventListener("visibilitychange", () => document.hidden || look());
