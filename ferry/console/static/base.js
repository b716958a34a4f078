// What all parts of the page share: the API with its token, live data, addresses, and words for people.
import { h } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import htm from "htm";

export const html = htm.bind(h);

// --- The token: it comes in the link's fragment, which no server ever sees, and is kept for this address.

const TOKEN = "ferry-token";

function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (found) {
    localStorage.setItem(TOKEN, found[1]);
    history.replaceState(null, "", location.pathname + location.search);
  }
}
takeToken();
addEventListener("hashchange", () => {
  takeToken();
  location.reload();
});

export const token = () => localStorage.getItem(TOKEN) || "";

// --- The API.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function call(path, { method = "GET", body, signal } = {}) {
  const headers = { "X-Ferry-Token": token() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The console is not responding. It may have been stopped: start `ferry console` again.");
  }
  if (response.status === 204) return null;
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, document.error || `The console returned status ${response.status}.`);
  return document;
}

// Live data: asks again and again what is new since the last revision, not while the tab is hidden, and less often
// after an error. Old data stays while there is an error.
const LONGEST_PAUSE = 15;

export function useLive(path, seconds) {
  const [state, setState] = useState({ path: null, data: null, error: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    let timer = 0;
    let revision = null;
    let pause = seconds;
    let asking = false;
    const ask = async () => {
      clearTimeout(timer);
      if (asking || document.hidden) return;
      asking = true;
      try {
        const query = revision === null ? "" : `${path.includes("?") ? "&" : "?"}rev=${encodeURIComponent(revision)}`;
        const data = await call(path + query, { signal: abort.signal });
        pause = seconds;
        if (data) {
          revision = data.revision ?? null;
          setState({ path, data, error: null });
        } else {
          setState((old) => (old.error ? { ...old, error: null } : old));
        }
      } catch (error) {
        if (error.name === "AbortError") return;
        pause = Math.min(LONGEST_PAUSE, pause * 2);
        setState((old) => ({ path, data: old.path === path ? old.data : null, error }));
      } finally {
        asking = false;
      }
      timer = setTimeout(ask, pause * 1000);
    };
    again.current = ask;
    ask();
    document.addEventListener("visibilitychange", ask);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, [path, seconds]);
  const refresh = useCallback(() => again.current(), []);
  return { data: state.path === path ? state.data : null, previous: state.data, error: state.error, refresh };
}

// Data that is asked for once, and again by `reload`.
export function useOnce(path) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    setState((old) => ({ ...old, error: null, loading: true }));
    call(path, { signal: abort.signal }).then(
      (data) => setState({ data, error: null, loading: false }),
      (error) => error.name !== "AbortError" && setState((old) => ({ ...old, error, loading: false })),
    );
    return () => abort.abort();
  }, [path, turn]);
  return { ...state, reload: () => setTurn((old) => old + 1) };
}

// The time, once a second: ages and durations advance.
export function useNow() {
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setNow(Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

// --- Addresses: filters are in the address, so that Back, bookmarks and links work.

export function navigate(url, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  dispatchEvent(new Event("ferry-navigate"));
  if (!replace) scrollTo(0, 0);
}

export function useAddress() {
  const read = () => ({ path: location.pathname, query: new URLSearchParams(location.search) });
  const [address, setAddress] = useState(read);
  useEffect(() => {
    const changed = () => setAddress(read());
    addEventListener("popstate", changed);
    addEventListener("ferry-navigate", changed);
    return () => {
      removeEventListener("popstate", changed);
      removeEventListener("ferry-navigate", changed);
    };
  }, []);
  return address;
}

// A link inside the page. Only our own paths are ever given: keys are text, never addresses.
export function Link({ to, children, ...rest }) {
  const follow = (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(to);
  };
  return html`<a href=${to} onClick=${follow} ...${rest}>${children}</a>`;
}

export const executionUrl = (name) => `/executions/${encodeURIComponent(name)}`;

// --- Words.

// Control characters, marks that change the direction of text, and halves of surrogate pairs are shown as escapes.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

export function visible(text) {
  return String(text ?? "").replace(UNSEEN, (c) => SHORT[c] || `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "";
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB", "PB"];
  let amount = bytes / 1000;
  while (amount >= 999.95 && units.length > 1) {
    amount /= 1000;
    units.shift();
  }
  return `${amount.toFixed(1)} ${units[0]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 0.9995) return seconds < 0.0005 ? "< 1 ms" : `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d`;
}

export function age(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [length, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (whole >= length) return `${Math.floor(whole / length)} ${unit}`;
  }
  return `${whole} s`;
}

export const exact = (seconds) => (seconds ? new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "");
export const number = (value) => (value ?? 0).toLocaleString("en-US");
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
export const shortName = (name) => name.replace(/^((?:bulk-)?[^-]{12})[^-]*(-replay-\d+)?$/, "$1$2");

export const STATUS_WORDS = {
  SUCCEEDED: "Succeeded", FAILED: "Failed", RUNNING: "Running", TIMED_OUT: "Timed out", ABORTED: "Stopped",
  PENDING_REDRIVE: "Waiting to be redriven", CAUGHT: "Failed, and caught",
};

// --- Small parts.

const ICON_PATHS = {
  ok: "M3.5 8.5 6.5 11.5 12.5 4.5", fail: "M4 4l8 8M12 4l-8 8", stop: "M4.5 4.5h7v7h-7Z",
  run: "M8 2.5a5.5 5.5 0 1 1-5.5 5.5", wait: "M8 3.5v5l3 2", upload: "M8 11V3M4.5 6.5 8 3l3.5 3.5M3 13h10",
  replay: "M13 8a5 5 0 1 1-1.5-3.5M12 1.5v3.3H8.7", copy: "M5.5 5.5h8v8h-8ZM2.5 10.5v-8h8", link: "M6.5 3.5h-3v9h9v-3M9 3h4v4M13 3 7.5 8.5",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9M10.5 10.5 14 14", moon: "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5Z", sun: "M8 5a3 3 0 1 1 0 6a3 3 0 0 1 0-6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  close: "M4 4l8 8M12 4l-8 8", warn: "M8 2.5 14.5 13.5h-13ZM8 6.5v3M8 11.5v.1", back: "M10 3 5 8l5 5", lock: "M4 7.5h8v6H4ZM5.5 7.5V5.5a2.5 2.5 0 0 1 5 0v2",
};

export function Icon({ name, label }) {
  const described = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
  return html`<svg class="icon icon-${name}" viewBox="0 0 16 16" width="16" height="16" ...${described}><path d=${ICON_PATHS[name]} /></svg>`;
}

const MARKS = { SUCCEEDED: "ok", CAUGHT: "warn", RUNNING: "run", PENDING_REDRIVE: "wait", FAILED: "fail", TIMED_OUT: "fail", ABORTED: "stop" };
export const markOf = (status) => MARKS[status] || "wait";

export function Status({ status, group, quiet }) {
  const settled = group === "settled";
  const words = STATUS_WORDS[status] || status;
  return html`<span class="status s-${settled ? "SETTLED" : status} ${quiet ? "quiet" : ""}">
    <${Icon} name=${markOf(status)} /><span>${words}</span></span>`;
}

export function Alert({ error, kept }) {
  if (!error) return null;
  return html`<div class="alert" role="alert"><${Icon} name="warn" />
    <div><strong>${visible(error.message || error)}</strong>${kept ? html`<span class="muted"> The data shown may be out of date.</span>` : null}</div></div>`;
}

// What the credentials may not read: one line each, beside everything else.
export function Denied({ reasons }) {
  if (!reasons?.length) return null;
  return html`<div class="alert denied" role="status"><${Icon} name="lock" /><div>${reasons.map((reason) => html`<p key=${reason}>${visible(reason)}</p>`)}</div></div>`;
}

export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p>${children}</div>`;
}

export function Copy({ text, label, children }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch {
      setDone(false);
    }
  };
  return html`<button type="button" class="button small" onClick=${copy} aria-label=${label} title=${label}>
    <${Icon} name=${done ? "ok" : "copy"} />${children}<span class="sr" aria-live="polite">${done ? "Copied" : ""}</span></button>`;
}

// --- Messages at the bottom of the page.

const listeners = new Set();
let nextToast = 1;
export function toast(text, { kind = "info", link } = {}) {
  const item = { id: nextToast++, text, kind, link };
  listeners.forEach((listener) => listener(item));
}

export function Toasts() {
  const [items, setItems] = useState([]);
  useEffect(() => {
    const add = (item) => {
      setItems((old) => [...old.slice(-4), item]);
      setTimeout(() => setItems((old) => old.filter((each) => each.id !== item.id)), item.kind === "error" ? 12000 : 6000);
    };
    listeners.add(add);
    return () => listeners.delete(add);
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">${items.map((item) => html`
    <div key=${item.id} class="toast ${item.kind}"><${Icon} name=${item.kind === "error" ? "warn" : "ok"} />
      <span>${visible(item.text)}${item.link ? html` <${Link} to=${item.link}>Show<//>` : null}</span></div>`)}</div>`;
}
