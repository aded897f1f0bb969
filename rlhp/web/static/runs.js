// The list of runs: those with waiting questions come first.

import { $, count, follow, link, made, number, say } from "./base.js";

const AGAIN = 3000; // ms between requests
const STATES = { training: "Training", waiting: "Waiting for answers", paused: "Paused", stopped: "Stopped", failed: "Failed", finished: "Finished" };
const annotator = link.get("annotator");
let shown = "";

function summary({ problem, waiting, answered, labels, step }) {
  if (problem) return made("p", problem);
  const wait = waiting ? made("b", `${count(waiting, "question")} waiting`) : "No questions waiting";
  return made("p", {}, wait, ` · ${number(answered)} of ${count(labels, "label")} · ${count(step, "step")}`);
}

function item(run) {
  const state = made("span", { className: "pill", textContent: STATES[run.state] ?? "Unknown", "data-state": run.state ?? "" });
  const element = made("li", { className: "card" }, made("a", { textContent: run.name, href: run.address }), state, summary(run));
  element.toggleAttribute("data-waits", waits(run));
  return element;
}

const waits = ({ waiting, problem }) => waiting > 0 && !problem;

function show({ folder, runs }) {
  const open = runs.reduce((sum, run) => sum + run.waiting, 0);
  say(runs.length ? `${count(runs.length, "run")}, ${count(open, "question")} waiting` : "There are no runs here yet; they appear when they start.");
  document.title = `${open ? `(${open}) ` : ""}Runs · rlhp`;
  $("folder").textContent = folder;
  if (JSON.stringify(runs) === shown) return;
  shown = JSON.stringify(runs);
  const focused = document.activeElement?.textContent;
  $("runs").replaceChildren(...runs.sort((a, b) => waits(b) - waits(a) || a.name.localeCompare(b.name)).map(item));
  [...$("runs").querySelectorAll("a")].find((anchor) => anchor.textContent === focused)?.focus();
}

$("who").textContent = annotator ?? "";
follow(annotator ? `api/runs?${new URLSearchParams({ annotator })}` : "api/runs", AGAIN, show);
