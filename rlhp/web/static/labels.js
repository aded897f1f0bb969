// The tables of /labels: cells are text, whatever they hold.

const token = new URLSearchParams(location.search).get("token") ?? "";
const AGAIN = 10000; // ms between looks, while the page is in sight
const $ = (id) => document.getElementById(id);

function made(name, text, ...inside) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...inside);
  return element;
}

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

let shown = "";

async function look() {
  try {
    const answer = await fetch("api/labels", { headers: { authorization: `Bearer ${token}` } });
    const labels = await answer.json();
    if (!answer.ok) return say(labels.detail, true);
    say(labels.head, false);
    if (JSON.stringify(labels) === shown) return; // what somebody reads or scrolls stays as it is
    shown = JSON.stringify(labels);
    $("tables").replaceChildren(...labels.tables.map(sheet));
    $("notes").replaceChildren(...labels.notes.map((note) => made("p", note)));
  } catch {
    say("The server is away: start it again with rlhp label.", true);
  }
}

look();
setInterval(() => document.hidden || look(), AGAIN);
document.addEventListener("visibilitychange", () => document.hidden || look());
