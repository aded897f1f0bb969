// The keys, and what this browser does where a question waits.

import { $, made } from "./base.js?token={{token}}";
import { setNotice, wishes } from "./notice.js?token={{token}}";
import { kindOf } from "./panel.js?token={{token}}";
import { page } from "./state.js?token={{token}}";

const KEYS = [["Z", "Undo your last answer"], ["Space", "Pause or play the clips"], ["S", "Replay slowly, this once"], [", .", "One picture back, or on"],
  ["− +", "Slower, or faster, from now on"], ["?", "This help"]];

const row = ([sign, text]) => [made("dt", {}, ...sign.split(" ").map((key) => made("kbd", { textContent: key }))), made("dd", { textContent: text })];

export function openHelp() {
  const kind = kindOf(page.queue[0] ?? { kind: page.run?.kind });
  $("keys").replaceChildren(...[...kind.help, ...KEYS].flatMap(row));
  $("tapping").textContent = kind.tapping ?? "";
  $("notify").checked = wishes.notify;
  $("sound").checked = wishes.sound;
  if (!$("help").open) $("help").showModal();
}

/** A click beside a dialog closes it, and a button of its own that says so. */
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
