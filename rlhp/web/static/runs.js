// The list of runs: those with waiting questions come first. Text is never parsed as HTML.

const link = new URLSearchParams(location.search);
const token = link.get("token") ?? "", annotator = link.get("annotator");
const AGAIN = 3000; // ms between requests while the page is visible
const STATES = { training: "Training", waiting: "Waiting for answers", paused: "Paused", stopped: "Stopped", failed: "Failed", finished: "Finished" };
const $ = (id) => document.getElementById(id);
const count = (n, what) => `${n.toLocaleString()} ${what}${n === 1 ? "" : "s"}`;

function made(name, text, ...inside) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...inside);
  return element;
}

function summary({ state, problem, waiting, answered, labels, step }) {
  if (problem) return made("p", problem);
  const wait = waiting ? made("b", `${count(waiting, "question")} waiting`) : "No questions waiting";
  return made("p", "", wait, ` · ${answered.toLocaleString()} of ${count(labels, "label")} · ${count(step, "step")}`);
}

function item(run) {
  const anchor = made("a", run.name), state = made("span", STATES[run.state] ?? "Unknown");
  anchor.href = run.address;
  state.className = "pill";
  state.dataset.state = run.state ?? "";
  const element = made("li", "", anchor, state, summary(run));
  if (run.waiting && !run.problem) element.dataset.waits = "";
  return element;
}

const waits = ({ waiting, problem }) => (problem ? -1 : waiting);
let shown = "";

async function look() {
  try {
    const answer = await fetch(`api/runs${annotator ? `?${new URLSearchParams({ annotator })}` : ""}`, { headers: { authorization: `Bearer ${token}` } });
    const { folder, runs, detail } = await answer.json();
    if (!answer.ok) return say(detail, true);
    const open = runs.reduce((sum, run) => sum + run.waiting, 0);
    say(runs.length ? `${count(runs.length, "run")}, ${count(open, "question")} waiting` : "There are no runs here yet; they appear when they start.", false);
    document.title = `${open ? `(${open}) ` : ""}Runs · rlhp`;
    $("folder").textContent = folder;
    if (JSON.stringify(runs) === shown) return;
    shown = JSON.stringify(runs);
    const focused = document.activeElement?.textContent;
    $("runs").replaceChildren(...runs.sort((a, b) => Number(waits(b) > 0) - Number(waits(a) > 0) || a.name.localeCompare(b.name)).map(item));
    [...$("runs").querySelectorAll("a")].find((anchor) => anchor.textContent === focused)?.focus();
  } catch {
    say("The server does not respond: start it again with rlhp annotate.", true);
  }
}

function say(text, bad) {
  if ($("head").textContent !== text) $("head").textContent = text;
  $("head").classList.toggle("bad", bad);
}

$("who").textContent = annotator ?? "";
look();
setInterval(() => document.hidden || look(), AGAIN);
document.addEventListener("visibilitychange", () => document.hidden || look());
