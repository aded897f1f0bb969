// Keyboard shortcuts.

import { $, say } from "../base.js";
import { undo } from "./answers.js";
import { openHelp } from "./help.js";
import { keys } from "./panel.js";
import { KEYS as PLAYBACK } from "./playback.js";
import { active } from "./show.js";

const COMMANDS = { z: () => undo(), Z: () => undo(), "?": openHelp, ...PLAYBACK };
const TYPES_HERE = "input, select, textarea";
const PRESSES = [" ", "Enter"]; // keys that a focused button, link or summary handles itself

function clipsInView() {
  const { top, bottom } = active.root.getBoundingClientRect();
  return bottom + top >= 0 && bottom + top <= 2 * innerHeight; // whether their middle is visible
}

/** Whether the target of a key event is a visible element of this kind; an element in a closed dialog keeps the focus for a moment. */
const isIn = (event, kind) => event.target.closest?.(kind)?.checkVisibility() ?? false;

function pressed(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (isIn(event, TYPES_HERE)) return;
  if (PRESSES.includes(event.key) && isIn(event, "button, summary, a")) return;
  const arrow = event.key.startsWith("Arrow");
  const name = arrow && event.shiftKey ? `Shift+${event.key}` : event.key;
  const act = keys()[name] ?? COMMANDS[event.key];
  if (!act && !(arrow && Object.keys(keys()).includes(event.key))) return;
  if (arrow && !clipsInView()) return say("Scroll back to the clips to answer with the arrow keys.");
  event.preventDefault(); // a key either answers or scrolls, never both
  act?.();
}

addEventListener("keydown", pressed);
$("undo").addEventListener("click", () => undo());
// after a click, move the focus away from the button so that keys answer again
addEventListener("pointerup", () => document.activeElement?.matches?.("button, input[type=range]") && document.activeElement.blur());
$("speed").addEventListener("change", () => $("speed").blur());
