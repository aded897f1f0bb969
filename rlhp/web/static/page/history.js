// This annotator's last answers. Those that the training has not used can be changed; used ones can be flagged.

import { $, clock, made, onClick, request, say } from "../base.js";
import { reopen } from "./answers.js";
import { film } from "./films.js";
import { kindOf, namesOf } from "./panel.js";
import { listen } from "./progress.js";
import { annotator, mine, page } from "./state.js";

const SHOWN = 20;
const STILL = matchMedia("(prefers-reduced-motion: reduce)").matches; // then clips do not play automatically
let seen = "", asking = false, answers = [], open = null;

/** Reload the answers if something has changed: their number, or which of them the training has used. */
async function look(force = false) {
  const now = `${page.acknowledged} ${page.mine.answers} ${page.run?.taken}`;
  if (asking || (now === seen && !force)) return;
  asking = true;
  try {
    answers = await request(`api/history?${mine}`);
    seen = now;
    write();
  } catch { seen = ""; } // the rest of the page reports a lost connection
  asking = false;
}

const STATES = { // what the buttons and the dialog say of an answer
  open: ["can be changed", "The training has not used it yet, so you can change it."],
  taken: ["used by the training", "The training has used it. If it was a mistake, flag it to exclude it from later fits."],
  flagged: ["flagged", "It is flagged as a mistake and excluded from later fits."],
};
const state = ({ flagged, taken }) => (flagged ? "flagged" : taken ? "taken" : "open");

function write() {
  $("history").hidden = !answers.length;
  $("history").querySelector("ol").replaceChildren(...answers.slice(0, SHOWN).map((answer) => made("li", {}, chip(answer))));
}

function chip(answer) {
  const words = kindOf(answer).words(answer.value);
  return made("button", {
    textContent: kindOf(answer).sign(answer.value),
    title: `${words} ${clock(answer.answered_at)}`,
    "aria-label": `${words} At ${clock(answer.answered_at)}, ${STATES[state(answer)][0]}`,
    "data-state": state(answer),
    onclick: () => review(answer),
  });
}

function review(answer) {
  open = answer;
  const names = namesOf(answer), chosen = kindOf(answer).sides(answer.value);
  $("reviewed").replaceChildren(...answer.clips.map((clip, side) => figure(clip, names[side], side, chosen.includes(side))));
  $("verdict").textContent = `Your answer at ${clock(answer.answered_at)}: ${kindOf(answer).words(answer.value)} ${STATES[state(answer)][1]}`;
  $("again").hidden = answer.taken;
  $("flag").hidden = !answer.taken && !answer.flagged;
  $("flag").textContent = answer.flagged ? "Remove the flag" : "Flag it as a mistake";
  if (!$("review").open) $("review").showModal();
}

function figure(clip, name, side, chosen) {
  const label = name ? `${name} clip` : "The clip";
  const video = made("video", { muted: true, loop: true, playsInline: true, autoplay: !STILL, controls: STILL, "aria-label": label });
  film(clip).then((address) => { video.src = address; }, () => {});
  return made("figure", { className: chosen ? "chosen" : "", "data-side": side }, video, made("figcaption", name));
}

async function flag() {
  const { query, round, flagged } = open;
  try {
    await request("api/flag", { annotator, query, round, flagged: !flagged });
    say(flagged ? "The flag is removed: that answer counts again." : "That answer is flagged and excluded from later fits.");
  } catch (error) { say(error.message, true); }
  close();
  look(true);
}

async function again() {
  close();
  await reopen(open);
  look(true);
}

const close = () => $("review").close();

onClick({ flag, again });
$("review").addEventListener("close", () => $("reviewed").replaceChildren());
listen(() => { if (page.run && !page.away && !page.pending.length) look(); });
