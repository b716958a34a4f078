// The page's frame: which part an address shows, what every part has around it, and the theme.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Alert, Icon, Link, Toasts, call, html, token, useAddress } from "/static/base.js";
import { Executions } from "/static/executions.js";
import { Overview } from "/static/overview.js";
import { Runs } from "/static/runs.js";
import { UploadButton, Uploads } from "/static/upload.js";

const TABS = [["/", "Overview"], ["/executions", "Executions"], ["/runs", "Runs"], ["/data", "Data"], ["/queue", "Queue"]];

// Parts that the first page does not need are loaded with the first address that shows them, else when nothing else is
// to do: fewer requests and scripts before something is shown.
const LATER = { Execution: "/static/execution.js", Run: "/static/run.js", Data: "/static/data.js", Queue: "/static/queue.js" };
const loaded = {};

const load = async (part) => {
  loaded[part] ||= (await import(LATER[part]))[part];
};

const laterPart = (path) => {
  const [, section, name] = path.split("/");
  return { executions: name && "Execution", runs: name && "Run", data: "Data", queue: "Queue" }[section];
};

// Whoever shows the part asks again, and shows the error.
const loadEarly = (part) => load(part).catch(() => {});

if (laterPart(location.pathname)) loadEarly(laterPart(location.pathname));

function Later({ part, ...rest }) {
  const [error, setError] = useState(null);
  const [, setTurn] = useState(0);
  useEffect(() => { load(part).then(() => setTurn(1), setError); }, []);
  if (error) return html`<${Alert} error="The console is not responding. Reload the page." />`;
  return loaded[part] ? html`<${loaded[part]} ...${rest} />` : html`<div class="loading" aria-busy="true"></div>`;
}

function Part({ address, session }) {
  const [, section, name] = address.path.split("/").map(decodeURIComponent);
  if (section === "executions") {
    return name ? html`<${Later} part="Execution" key=${name} name=${name} session=${session} />` : html`<${Executions} query=${address.query} session=${session} />`;
  }
  if (section === "runs" && session.runs) {
    return name ? html`<${Later} part="Run" key=${name} name=${name} query=${address.query} session=${session} />` : html`<${Runs} query=${address.query} session=${session} />`;
  }
  if (section === "data") return html`<${Later} part="Data" key="data" table=${name} session=${session} />`;
  if (section === "queue") return html`<${Later} part="Queue" key="queue" session=${session} />`;
  return html`<${Overview} session=${session} />`;
}

function useTheme() {
  const [theme, setTheme] = useState(localStorage.getItem("ferry-theme"));
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  useEffect(() => {
    if (theme) document.documentElement.dataset.theme = theme;
  }, [theme]);
  const toggle = () => {
    const next = dark ? "light" : "dark";
    localStorage.setItem("ferry-theme", next);
    setTheme(next);
  };
  return [dark, toggle];
}

function Banner({ session }) {
  const where = session.on_aws ? `AWS account ${session.account}, ${session.region}` : `Local cloud, ${session.endpoint}`;
  return html`<div class="where ${session.on_aws ? "aws" : ""}">
    <span class="where-name">${session.name}</span><span class="where-place">${where}</span>
    ${session.writable ? null : html`<span class="badge" title="Start ferry console with --write to replay and upload."><${Icon} name="lock" label="read-only" /><span class="wide-only" aria-hidden="true">read-only</span></span>`}</div>`;
}

function App() {
  const address = useAddress();
  const [session, setSession] = useState(null);
  const [error, setError] = useState(null);
  const [dark, toggle] = useTheme();
  useEffect(() => {
    let timer;
    const ask = () => call("/api/session").then((found) => (setSession(found), setError(null)), (failed) => {
      setError(failed);
      if (failed.status !== 401) timer = setTimeout(ask, 2000);
    });
    ask();
    return () => clearTimeout(timer);
  }, []);
  const section = `/${address.path.split("/")[1]}`;
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the content</a>
    <header class="top">
      <${Link} to="/" class="brand" aria-label="S3 Ferry, overview"><svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true"><path d="M5 19h22l-3.5 5.6a3 3 0 0 1-2.5 1.4H11a3 3 0 0 1-2.5-1.4ZM10 17v-5h12v5M16 12V6" /></svg><span>S3 Ferry</span><//>
      <nav aria-label="Parts of the console">${TABS.map(([path, title]) => html`<${Link} to=${path} class="tab" aria-current=${path === section ? "page" : null}>${title}<//>`)}</nav>
      <div class="top-end">
        ${session ? html`<${Banner} session=${session} />` : null}
        ${session?.writable ? html`<${UploadButton} />` : null}
        <button type="button" class="button icon-only" onClick=${toggle} aria-label=${dark ? "Light theme" : "Dark theme"} title=${dark ? "Light theme" : "Dark theme"}><${Icon} name=${dark ? "sun" : "moon"} /></button>
      </div>
    </header>
    <main id="main" tabindex="-1">
      ${error ? html`<${Welcome} error=${error} />` : null}
      ${session ? html`<${Part} address=${address} session=${session} />` : error ? null : html`<div class="loading" aria-busy="true"></div>`}
    </main>
    ${session?.writable ? html`<${Uploads} session=${session} />` : null}
    <${Toasts} />`;
}

function Welcome({ error }) {
  if (error.status !== 401) return html`<${Alert} error=${error} />`;
  return html`<section class="card narrow"><h1>${token() ? "This link has expired" : "Open the link from the terminal"}</h1>
    <p><code>ferry console</code> prints a link with a new token each time it starts. Open that link: it ends with <code>#token=…</code></p></section>`;
}

addEventListener("load", () => setTimeout(() => Object.keys(LATER).forEach(loadEarly), 1000));

render(html`<${App} />`, document.getElementById("app"));
