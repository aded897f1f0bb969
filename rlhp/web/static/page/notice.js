// Notifies a person whose tab is hidden that a question is waiting, by notification or sound. Both are off by default.

import { $, say, storage } from "../base.js";
import { listen, waiting } from "./progress.js";
import { page } from "./state.js";

const KEPT = "rlhp notices"; // storage key, shared by all runs
const settings = { notify: false, sound: false, ...storage.read(KEPT) };
let before = null; // number of questions waiting at the last check

/** Switch a notification or the sound on or off. Returns whether it is on now. */
async function set(name, on) {
  if (on && name === "notify" && (await allowed()) !== "granted") {
    say("This browser does not allow the page to show notifications.", true);
    on = false;
  }
  settings[name] = on;
  storage.write(KEPT, settings);
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
    if (settings.notify) notify(n);
    if (settings.sound) beep();
  }
  before = n;
}

listen(look);
for (const name of ["notify", "sound"]) {
  $(name).checked = settings[name];
  $(name).addEventListener("change", async () => { $(name).checked = await set(name, $(name).checked); });
}
