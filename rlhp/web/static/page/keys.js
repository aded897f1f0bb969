// The keyboard.

import { $, say } from "./base.js?token={{token}}";
import { undo } from "./answers.js?token={{token}}";
import { openHelp } from "./help.js?token={{token}}";
import { keys } from "./panel.js?token={{token}}";
import { KEYS as PLAYBACK } from "./playback.js?token={{token}}";
import { active } from "./show.js?token={{token}}";

const COMMANDS = { z: () => undo(), Z: () => undo(), "?": openHelp, ...PLAYBACK };
const TYPES_HERE = "input, select, textarea";
const PRESSES = [" ", "Enter"]; // what a button, a link or a summary takes for itself

function clipsInView() {
  const { top, bottom } = active.root.getBoundingClientRect();
  return bottom + top >= 0 && bottom + top <= 2 * innerHeight; // their middle is
}

/** Whether a key goes to something of this kind that is seen; what a closed dialog hides keeps the focus for a moment. */
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
  event.preventDefault(); // a key that answers does not scroll, and a key that scrolls does not answer
  act?.();
}

export function start() {
  addEventListener("keydown", pressed);
  $("undo").addEventListener("click", () => undo());
  // after a click the keys answer again, not the button that was clicked
  addEventListener("pointerup", () => document.activeElement?.matches?.("button, input[type=range]") && document.activeElement.blur());
  $("speed").addEventListener("change", () => $("speed").blur());
}
