// Requests to the server. All URLs are relative, so that the page works below any prefix.

import { annotator, token } from "./base.js";
import { page } from "./state.js";

const AHEAD = 3, MOST = 5; // questions fetched in advance: the one shown and two more; maximum number per request

/** Send a request and return the response. Throws an Error with the server's message, and with `status` if the server responded. */
export async function ask(path, content) {
  const headers = { authorization: `Bearer ${token}`, ...(content && { "content-type": "application/json" }) };
  const method = content ? "POST" : "GET";
  const body = content && JSON.stringify(content);
  const answer = await fetch(path, { method, headers, body, keepalive: !!content }); // keepalive: an answer arrives even if the tab is closed
  if (answer.ok) return answer;
  const detail = await answer.json().then((json) => json.detail, () => answer.statusText);
  throw Object.assign(new Error(typeof detail === "string" ? detail : `refused: ${JSON.stringify(detail)}`), { status: answer.status });
}

export const read = async (path) => (await ask(path)).json();
export const mine = `annotator=${encodeURIComponent(annotator)}`;

const wanted = () => Math.min(AHEAD + page.skipped, MOST);

/** Send a request whose response holds questions and the annotator's status. */
export const post = async (path, content = {}) => (await ask(`api/${path}`, { annotator, count: wanted(), ...content })).json();

/** Send a request whose response holds no questions. */
export const tell = async (path, content = {}) => (await ask(`api/${path}`, content)).json();

export const refused = (error) => error.status >= 400 && error.status < 500;
export const accessDenied = (error) => error.status === 401 || error.status === 403; // for every request

let acknowledgements = 0; // number of answers and undos that the server has acknowledged
export const acknowledge = () => { acknowledgements++; };
export const acknowledged = () => acknowledgements;

/** Return a function that tells whether nothing has been acknowledged since; otherwise a response requested before is out of date. */
export function asOfNow() {
  const before = acknowledgements;
  return () => acknowledgements === before;
}
