// The help dialog, which lists the keys, and what closes a dialog.

import { $, made } from "../base.js";
import { kindOf } from "./panel.js";
import { page } from "./state.js";

const KEYS = [["Z", "Undo your last answer"], ["Space", "Pause or play the clips"], ["S", "Replay slowly, only once"], [", .", "One frame back or forward"],
  ["− +", "Play slower or faster from now on"], ["?", "This help"]];

const row = ([sign, text]) => [made("dt", {}, ...sign.split(" ").map((key) => made("kbd", key))), made("dd", text)];

export function openHelp() {
  const kind = kindOf(page.queue[0] ?? { kind: page.run?.kind });
  $("keys").replaceChildren(...[...kind.help, ...KEYS].flatMap(row));
  $("tapping").textContent = kind.tapping ?? "";
  if (!$("help").open) $("help").showModal();
}

/** Close a dialog after a click outside it or on one of its closing buttons. */
function close(dialog, clicked) {
  if (clicked === dialog) dialog.close("");
  else if (clicked.dataset.close !== undefined) dialog.close(clicked.dataset.close);
}

$("ask").addEventListener("click", openHelp);
for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("click", (event) => close(dialog, event.target));
