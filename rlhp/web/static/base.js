// What all pages share: the link, requests, elements, the browser's storage, and formats. URLs are relative, so that pages work below any path.

export const link = new URLSearchParams(location.search);
export const token = link.get("token") ?? "";
for (const anchor of document.querySelectorAll("a")) anchor.search = location.search; // the other pages need the key too

export const $ = (id) => document.getElementById(id);
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Send a request and return the response. Throws an Error with the server's message, and with `status` if the server responded. */
export async function ask(path, content) {
  const headers = { authorization: `Bearer ${token}`, ...(content && { "content-type": "application/json" }) };
  const method = content ? "POST" : "GET";
  const body = content && JSON.stringify(content);
  const answer = await fetch(path, { method, headers, body, keepalive: !!content }); // keepalive: it arrives even if the tab is closed
  if (answer.ok) return answer;
  const detail = await answer.json().then((json) => json.detail, () => answer.statusText);
  throw Object.assign(new Error(typeof detail === "string" ? detail : `refused: ${JSON.stringify(detail)}`), { status: answer.status });
}

/** Send a request and return the content of its response. */
export const request = async (path, content) => (await ask(path, content)).json();

/** Call `show` with the content of `path`, now and every `ms` while the page is visible. */
export function follow(path, ms, show) {
  async function look() {
    try {
      await show(await request(path));
    } catch (error) {
      say(error.status ? error.message : "The server does not respond: start it again with rlhp annotate.", true);
    }
  }
  look();
  setInterval(() => document.hidden || look(), ms);
  document.addEventListener("visibilitychange", () => document.hidden || look());
}

/** Set the texts of elements, given by id. */
export function write(texts) {
  for (const [id, text] of Object.entries(texts)) $(id).textContent = text ?? "";
}

/** Call functions when elements, given by id, are clicked. */
export function onClick(acts) {
  for (const [id, act] of Object.entries(acts)) $(id).addEventListener("click", () => act());
}

/** Write to the page's status line. An unchanged text is not announced again. */
export function say(text, bad = false) {
  const line = document.querySelector("[role=status]");
  if (line.textContent !== text) line.textContent = text;
  line.classList.toggle("bad", bad);
}

/** Create an element with properties and attributes, or with a text, and children. Text is never parsed as HTML. */
export function made(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(typeof properties === "string" ? { textContent: properties } : properties)) {
    if (key in element) element[key] = value;
    else if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

// The browser's storage may be blocked, full or damaged; then data lasts only as long as this tab.
export const storage = {
  read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
  write(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; } },
};

export const number = (n) => Math.round(n).toLocaleString("en");
export const count = (n, one) => `${number(n)} ${one}${Math.round(n) === 1 ? "" : "s"}`;
export const time = (hours) => (hours < 1 ? `${Math.max(1, Math.round(hours * 60))} min` : `${Math.floor(hours)} h ${Math.round((hours % 1) * 60)} min`);
export const clock = (seconds) => new Date(1000 * seconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
