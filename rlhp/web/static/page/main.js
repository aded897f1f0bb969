// The page: what is shown is already here, so that the next question plays at once; what is said is kept here until the server has it.

import { say, sleep } from "./base.js?token={{token}}";
import { deal, found, lost, restore, sinceDealt } from "./answers.js?token={{token}}";
import { start as startGuide } from "./guide.js?token={{token}}";
import { start as startHelp } from "./help.js?token={{token}}";
import { start as startHistory } from "./history.js?token={{token}}";
import { start as startKeys } from "./keys.js?token={{token}}";
import { start as startNotices } from "./notice.js?token={{token}}";
import { enable, furnish } from "./panel.js?token={{token}}";
import { start as startPlayback } from "./playback.js?token={{token}}";
import { write } from "./progress.js?token={{token}}";
import { start as startRun } from "./run.js?token={{token}}";
import { asOfNow, mine, read } from "./server.js?token={{token}}";
import { choose } from "./choose.js?token={{token}}";
import { page } from "./state.js?token={{token}}";

const POLL = 2000, HEARTBEAT = 20000, ELSEWHERE = 5000; // ms; ELSEWHERE: between looks while the tab is hidden

async function look() {
  const before = page.run?.state, fresh = asOfNow();
  page.run = await read(`api/state?${mine}`);
  found();
  if (before && before !== page.run.state && page.run.state === "finished") say("The learner is done. What you answer now is kept, but not learned from.");
  if (fresh() && !page.pending.length) page.mine = page.run.mine;
}

async function tick() {
  try {
    await look();
    if (page.pending.length || page.queue.length < 2 || sinceDealt() > HEARTBEAT) await deal();
  } catch (error) { lost(error); }
  write();
}

/** A tab that is hidden holds no questions from others, but counts what waits as long as the training goes on. */
async function glance() {
  if (page.run && !["training", "waiting", "paused"].includes(page.run.state)) return;
  try { await look(); } catch (error) { lost(error); }
  write();
}

async function live() {
  for (;;) {
    await (document.hidden ? glance() : tick());
    await (document.hidden ? sleep(ELSEWHERE) : sleep(page.queue.length && !page.away ? POLL : POLL / 4));
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });

restore();
for (const start of [startPlayback, startKeys, startGuide, startHistory, startHelp, startNotices]) start();
furnish("comparison", 2, choose);
enable(false);
live();
startRun();
