// The page's frame: which part an address shows, what every part has around it, and the theme.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Alert, Icon, Link, Toasts, call, html, token, useAddress } from "/static/base.js";
import { Executions } from "/static/executions.js";
import { Execution } from "/static/execution.js";
import { Overview } from "/static/overview.js";
import { Run } from "/static/run.js";
import { Runs } from "/static/runs.js";
import { Data } from "/static/data.js";
import { Queue } from "/static/queue.js";
import { UploadButton, Uploads } from "/static/upload.js";

const TABS = [["/", "Overview"], ["/executions", "Executions"], ["/runs", "Runs"], ["/data", "Data"], ["/queue", "Queue"]];

function Part({ address, session }) {
  const [, section, name] = address.path.split("/").map(decodeURIComponent);
  if (section === "executions") {
    return name ? html`<${Execution} key=${name} name=${name} session=${session} />` : html`<${Executions} query=${address.query} session=${session} />`;
  }
  if (section === "runs" && session.runs) {
    return name ? html`<${Run} key=${name} name=${name} query=${address.query} session=${session} />` : html`<${Runs} query=${address.query} session=${session} />`;
  }
  if (section === "data") return html`<${Data} table=${name} session=${session} />`;
  if (section === "queue") return html`<${Queue} session=${session} />`;
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

render(html`<${App} />`, document.getElementById("app"));
