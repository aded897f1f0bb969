// The help dialog: keys, and notifications in this browser.

import { $, made } from "./base.js";
import { setNotice, settings } from "./notice.js";
import { kindOf } from "./panel.js";
import { page } from "./state.js";

const KEYS = [["Z", "Undo your last answer"], ["Space", "Pause or play the clips"], ["S", "Replay slowly, only once"], [", .", "One frame back or forward"],
  ["− +", "Play slower or faster from now on"], ["?", "This help"]];

const row = ([sign, text]) => [made("dt", {}, ...sign.split(" ").map((key) => made("kbd", { textContent: key }))), made("dd", { textContent: text })];

export function openHelp() {
  const kind = kindOf(page.queue[0] ?? { kind: page.run?.kind });
  $("keys").replaceChildren(...[...kind.help, ...KEYS].flatMap(row));
  $("tapping").textContent = kind.tapping ?? "";
  $("notify").checked = settings.notify;
  $("sound").checked = settings.sound;
  if (!$("help").open) $("help").showModal();
}

/** Close a dialog after a click outside it or on one of its closing buttons. */
function close(dialog, clicked) {
  if (clicked === dialog) dialog.close("");
  else if (clicked.dataset.close !== undefined) dialog.close(clicked.dataset.close);
}

export function start() {
  $("ask").addEventListener("click", openHelp);
  for (const name of ["notify", "sound"])
    $(name).addEventListener("change", async () => { $(name).checked = await setNotice(name, $(name).checked); });
  for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", (event) => close(dialog, event.target));
}
