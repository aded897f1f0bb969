// Tells a person who looks elsewhere that a question waits: a notification, a sound; both are off until asked for.

import { say, storage } from "./base.js?token={{token}}";
import { listen } from "./progress.js?token={{token}}";
import { page } from "./state.js?token={{token}}";
import { waiting } from "./words.js?token={{token}}";

const KEPT = "rlhp notices"; // in the browser, for every run
export const wishes = { notify: false, sound: false, ...storage.read(KEPT) };
let before = null; // questions that waited at the last look

/** Switch one of them; whether it is on now. */
export async function setNotice(name, on) {
  if (on && name === "notify" && (await allowed()) !== "granted") {
    say("This browser does not let the page show notifications.", true);
    on = false;
  }
  wishes[name] = on;
  storage.write(KEPT, wishes);
  if (on && name === "sound") beep();
  return on;
}

const allowed = async () => ("Notification" in window ? Notification.requestPermission() : "denied");

function beep() {
  const context = new AudioContext(), tone = context.createOscillator(), volume = context.createGain();
  volume.gain.setValueAtTime(0.08, context.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.4);
  tone.frequency.value = 660;
  tone.connect(volume).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.4);
  tone.onended = () => context.close();
}

function notify(n) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const shown = new Notification("A question waits", { body: `${page.run.task}: ${n} to answer`, tag: "rlhp" });
  shown.onclick = () => { window.focus(); shown.close(); };
}

function look() {
  if (!page.run) return;
  const n = waiting();
  if (before === 0 && n > 0 && document.hidden) {
    if (wishes.notify) notify(n);
    if (wishes.sound) beep();
  }
  before = n;
}

export const start = () => listen(look);
