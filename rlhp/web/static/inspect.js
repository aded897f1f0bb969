// /inspect: the newest report in a frame. Requesting the status starts a newer report if there is a newer checkpoint.

import { $, follow, say, token } from "./base.js";

const AGAIN = 5000; // ms between requests
let shown = null;

function ago(seconds) {
  const minutes = Math.round((Date.now() / 1000 - seconds) / 60);
  return minutes < 1 ? "just now" : minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}

function words({ working, made_at, problem }) {
  const made = made_at === null ? "" : `Made ${ago(made_at)}.`;
  if (working) return `${made} ${made ? "A newer one" : "The report"} is being made, beside the training: this takes a minute or more.`;
  return problem ? `${made} The last attempt failed: ${problem}` : made || "There is no checkpoint yet; the report is made after the first one.";
}

follow("api/inspect", AGAIN, (status) => {
  say(words(status).trim(), Boolean(status.problem) && !status.working);
  if (status.made_at === null || status.made_at === shown) return; // an unchanged report is not reloaded
  shown = status.made_at;
  $("report").src = `inspect/report?token=${encodeURIComponent(token)}&at=${shown}`;
  $("report").hidden = false;
});
