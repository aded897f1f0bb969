// Requests. All addresses are relative, so that the page works below any prefix.

import { annotator, token } from "./base.js?token={{token}}";
import { page } from "./state.js?token={{token}}";

const AHEAD = 3, MOST = 5; // questions that are dealt in advance: the one shown, and two behind it; and what the server deals at once

/** The response; throws an Error with the server's sentence, and its `status` where there was an answer at all. */
export async function ask(path, content) {
  const headers = { authorization: `Bearer ${token}`, ...(content && { "content-type": "application/json" }) };
  const method = content ? "POST" : "GET";
  const body = content && JSON.stringify(content);
  const answer = await fetch(path, { method, headers, body, keepalive: !!content }); // what was said arrives though the tab is closed
  if (answer.ok) return answer;
  const detail = await answer.json().then((json) => json.detail, () => answer.statusText);
  throw Object.assign(new Error(typeof detail === "string" ? detail : `refused: ${JSON.stringify(detail)}`), { status: answer.status });
}

export const read = async (path) => (await ask(path)).json();
export const mine = `annotator=${encodeURIComponent(annotator)}`;

const wanted = () => Math.min(AHEAD + page.passedOver, MOST);

/** What the server deals in return: questions, and where the person stands. */
export const post = async (path, content = {}) => (await ask(`api/${path}`, { annotator, count: wanted(), ...content })).json();

/** Tell the server something that deals no questions. */
export const tell = async (path, content = {}) => (await ask(`api/${path}`, content)).json();

export const refused = (error) => error.status >= 400 && error.status < 500;
export const shutOut = (error) => error.status === 401 || error.status === 403; // whatever is asked for

let told = 0; // answers and undos that the server has acknowledged
export const acknowledge = () => { told++; };
export const acknowledged = () => told;

/** Whether nothing was acknowledged since this was called: what was asked for then is out of date otherwise. */
export function asOfNow() {
  const before = told;
  return () => told === before;
}
