// Playback of clips: pause, speed and position.

import { $, onClick, storage } from "../base.js";

const SLOW = 0.3; // the speed of a slow replay
const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const KEPT = "rlhp speed"; // storage key, shared by all runs
const PICTURE = 1 / 20; // seconds per frame, if the browser does not tell

let stage = null; // the visible stage
let speed = SPEEDS.includes(storage.read(KEPT)) ? storage.read(KEPT) : 1;

export const playback = {
  paused: matchMedia("(prefers-reduced-motion: reduce)").matches, // then clips do not play automatically
  slow: false,
  get rate() { return speed * (this.slow ? SLOW : 1); },
};

/** Set the visible stage; ends a slow replay. */
export function watch(seen) {
  stage = seen;
  playback.slow = false;
  write();
}

function togglePause() {
  playback.paused = !playback.paused;
  write();
  if (playback.paused) stage?.pause(); else stage?.resume();
}

function toggleSlow() {
  playback.slow = !playback.slow;
  if (playback.paused) togglePause();
  write();
  stage?.play();
}

function setSpeed(value) {
  speed = value;
  storage.write(KEPT, speed);
  write();
  for (const video of stage?.videos ?? []) video.playbackRate = playback.rate;
}

function faster(by) {
  setSpeed(SPEEDS[Math.min(Math.max(SPEEDS.indexOf(speed) + by, 0), SPEEDS.length - 1)]);
}

/** Step `by` frames forward, or back if negative, and pause the clips. */
function step(by) {
  if (!stage?.question) return;
  if (!playback.paused) togglePause();
  const picture = stage.frame || PICTURE;
  stage.seek((Math.round(stage.at / picture - 0.5) + by + 0.5) * picture); // to the middle of a frame, never between two
  scrubbed();
}

function scrub() {
  if (!playback.paused) togglePause();
  stage?.seek(($("scrub").value / 1000) * stage.duration);
}

function scrubbed() {
  if (stage?.duration && document.activeElement !== $("scrub")) $("scrub").value = Math.round((1000 * stage.at) / stage.duration);
}

function write() {
  $("pause").setAttribute("aria-pressed", playback.paused);
  $("pause").querySelector("span").textContent = playback.paused ? "Play clips" : "Pause clips";
  $("slow").setAttribute("aria-pressed", playback.slow);
  $("speed").value = String(speed);
}

function follow() {
  if (!document.hidden) scrubbed();
  requestAnimationFrame(follow);
}

onClick({ pause: togglePause, slow: toggleSlow, back: () => step(-1), on: () => step(1) });
$("scrub").addEventListener("input", scrub);
$("speed").addEventListener("change", () => setSpeed(Number($("speed").value)));
write();
follow();

export const KEYS = {
  " ": togglePause, s: toggleSlow, S: toggleSlow, ",": () => step(-1), ".": () => step(1), "-": () => faster(-1), "+": () => faster(1),
};
