// Runs over objects that are already in a source, and audits: the list, a backfill with its dry run, and an audit's form.
import { useEffect, useRef, useState } from "preact/hooks";
import { Alert, Denied, Empty, Icon, Link, Status, age, call, duration, exact, html, navigate, number, plural, size, toast, useLive, useNow, visible } from "/static/base.js";

const PAUSE = 500;

export const runUrl = (name) => `/runs/${encodeURIComponent(name)}`;

// What runs have looked like a moment ago changes slowly on AWS, where each running one costs a call.
export const runsPace = (session) => (session.on_aws ? 15 : 1);

// Runs and audits are one list, as in `ferry runs`; the address has the kind that is shown.
const KINDS = [["", "All"], ["backfill", "Backfills"], ["sweep", "Sweeps"], ["audit", "Audits"], ["run", "Others"]];

export function Runs({ query, session }) {
  const { data, error, refresh } = useLive("/api/runs", runsPace(session));
  const [form, setForm] = useState(null);
  const now = useNow();
  useEffect(() => { document.title = "Runs · S3 Ferry"; }, []);
  const all = data?.runs || [];
  const kind = query.get("kind") || "";
  const runs = all.filter((run) => !kind || run.kind === kind);
  const count = (name) => all.filter((run) => !name || run.kind === name).length;
  const kinds = KINDS.filter(([name]) => !name || name === kind || count(name));
  const opened = { session, onStart: refresh, onClose: () => setForm(null) };
  return html`<section aria-labelledby="title">
    <div class="heading"><h1 id="title">Runs</h1><span class="muted">over objects that are already in a source</span>
      <div class="actions">
        ${form === "backfill" ? null : html`<button type="button" class="button primary" onClick=${() => setForm("backfill")}>New backfill</button>`}
        ${session.audits && session.writable && form !== "audit" ? html`<button type="button" class="button" onClick=${() => setForm("audit")}>New audit</button>` : null}</div></div>
    <${Alert} error=${error} kept=${all.length > 0} />
    <${Denied} reasons=${data?.denied} />
    ${form === "backfill" ? html`<${BackfillForm} ...${opened} />` : form === "audit" ? html`<${AuditForm} ...${opened} />` : null}
    ${kinds.length > 2 || kind ? html`<div class="filters"><div class="chips" role="group" aria-label="Kind">${kinds.map(([name, title]) => html`<button key=${name} type="button" class="chip" aria-pressed=${kind === name} onClick=${() => navigate(name ? `/runs?kind=${name}` : "/runs", { replace: true })}>${title}<span class="count">${number(count(name))}</span></button>`)}</div></div>` : null}
    ${runs.length ? html`<div class="table-box stacked"><table class="list"><thead><tr><th>Status</th><th class="wide">Run</th><th class="wide">Objects</th><th class="right">Duration</th><th class="right">Age</th></tr></thead>
      <tbody>${runs.map((run) => html`<tr key=${run.run} class="row" onClick=${(event) => event.target.closest("a") || getSelection().toString() || navigate(runUrl(run.run))}>
        <td data-label="Status"><${Status} status=${run.status} /></td>
        <td class="key wide"><${Link} to=${runUrl(run.run)}><bdi>${visible(run.scope_text)}</bdi><//><span class="sub"><span class="badge">${run.kind}</span> ${visible(run.run)}</span></td>
        <td class="key wide">${run.kind === "audit" && run.status === "SUCCEEDED" ? html`<${Found} counts=${run.counts} />` : visible(run.outcome)}${run.failed && run.error ? html`<span class="sub reason"><strong>${visible(run.error)}</strong> ${visible(run.cause || "")}</span>` : null}</td>
        <td class="right" data-label="Duration">${duration(Math.max(0, (run.status === "RUNNING" ? now : run.stopped || now) - run.attempt_started))}</td>
        <td class="right" data-label="Age" title=${exact(run.started)}>${age(now - run.started)}</td></tr>`)}</tbody></table></div>`
      : data ? html`<${Empty} title=${all.length ? "No run of this kind yet." : "No runs yet."}><p>A backfill copies objects that were in the source before the deployment, or whose events were missed.${session.audits ? " An audit compares the whole source with the target, and changes nothing." : ""}</p><//>` : error ? null : html`<div class="loading" aria-busy="true"></div>`}
  </section>`;
}

// Outcomes of which a person should look at each.
export const WRONG = ["failed", "differs", "missing"];

function Found({ counts }) {
  const found = Object.entries(counts);
  if (!found.length) return "nothing to compare";
  return found.map(([status, count], index) => html`${index ? ", " : ""}<span class=${WRONG.includes(status) ? "reason" : null}>${number(count)} ${status}</span>`);
}

const SCOPE = { prefix: "", since: "", min_age: "", max_concurrency: 20 };
const ofSource = (session) => ({ source: session.sources.length === 1 ? "" : session.sources[0] });
const keysOf = (form) => (form.prefix ? `the keys that start with ${visible(form.prefix)}` : "all keys");

// What both forms have: the frame, which objects are meant, and how many slices are worked on at once.
function Form({ title, values, change, session, onSubmit, onClose, more, children }) {
  const first = useRef();
  useEffect(() => first.current.focus(), []);
  const set = (name) => (event) => change({ ...values, [name]: event.target.value });
  return html`<section class="card run-form" aria-labelledby="form-title"><div class="card-head"><h2 id="form-title">${title}</h2><button type="button" class="button icon-only small" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button></div>
    <form class="fields" onSubmit=${(event) => { event.preventDefault(); onSubmit(event.submitter?.value); }}>
      ${session.sources.length > 1 ? html`<label>Source <select value=${values.source} onChange=${set("source")}>${session.sources.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>` : null}
      <label class="grow">Keys that start with <input ref=${first} type="text" value=${values.prefix} placeholder="all keys" onInput=${set("prefix")} /></label>
      <label>Modified since <input type="text" value=${values.since} placeholder="2026-01-31" size="12" onInput=${set("since")} /></label>
      <label>At least this old <input type="text" value=${values.min_age} placeholder="15m" size="6" onInput=${set("min_age")} /></label>
      <label>Slices at once <input type="number" value=${values.max_concurrency} min="1" max="1000" required onInput=${(event) => change({ ...values, max_concurrency: event.target.valueAsNumber })} /></label>
      ${more}
      ${children}
    </form></section>`;
}

function Tick({ name, values, change, children }) {
  return html`<label class="check"><input type="checkbox" checked=${values[name]} onChange=${(event) => change({ ...values, [name]: event.target.checked })} />${children}</label>`;
}

async function begin(path, form, onStart) {
  const { run } = await call(path, { method: "POST", body: form });
  toast(`Started ${run}.`);
  onStart();
  navigate(runUrl(run));
}

function AuditForm({ session, onStart, onClose }) {
  const [form, setForm] = useState({ ...SCOPE, ...ofSource(session), read: false, tags: false, annotations: false, ignore: "" });
  const [state, setState] = useState({ busy: false });
  const start = async () => {
    setState({ busy: true });
    try {
      await begin("/api/audits", form, onStart);
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  const own = { values: form, change: setForm };
  return html`<${Form} title="Audit" ...${own} session=${session} onSubmit=${start} onClose=${onClose} more=${html`
      <label>Ignore <input type="text" value=${form.ignore} placeholder="StorageClass Metadata.mtime" size="26" onInput=${(event) => setForm({ ...form, ignore: event.target.value })} /></label>
      <${Tick} name="read" ...${own}>Read objects whose stored checksums cannot be compared<//>
      <${Tick} name="tags" ...${own}>Compare tags<//>
      <${Tick} name="annotations" ...${own}>Compare annotations<//>`}>
      <div class="actions"><button type="submit" class="button primary" disabled=${state.busy}>Start</button>
        <span class="muted small">An audit compares ${keysOf(form)} with the target. It writes to neither bucket.</span></div>
      ${state.error ? html`<${Alert} error=${state.error} />` : null}<//>`;
}

function BackfillForm({ session, onStart, onClose }) {
  const [form, setForm] = useState({ ...SCOPE, ...ofSource(session), inventory: "", again: false });
  const [state, setState] = useState({ phase: "idle" });
  const running = useRef(null);
  useEffect(() => () => { running.current = null; }, []);
  const change = (values) => {
    setForm(values);
    running.current = null;
    setState({ phase: "idle" });
  };
  const plan = async () => {
    const turn = {};
    running.current = turn;
    setState({ phase: "planning", compared: 0 });
    try {
      const { id } = await call("/api/dry-runs", { method: "POST", body: form });
      for (;;) {
        const found = await call(`/api/dry-runs/${encodeURIComponent(id)}`);
        if (running.current !== turn) return;
        if (found.error) throw new Error(found.error);
        if (!found.pending) {
          setState({ phase: "planned", plan: found.result });
          return;
        }
        setState({ phase: "planning", compared: found.compared });
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    } catch (error) {
      if (running.current === turn) setState({ phase: "failed", error });
    }
  };
  const start = async () => {
    if (!confirm(`Copy the objects of ${keysOf(form)} that the target is missing?`)) return;
    setState({ ...state, phase: "starting" });
    try {
      await begin("/api/runs", form, onStart);
    } catch (error) {
      setState({ ...state, phase: "failed", error });
    }
  };
  const busy = state.phase === "planning" || state.phase === "starting";
  const own = { values: form, change };
  return html`<${Form} title="Backfill" ...${own} session=${session} onSubmit=${(action) => (action === "start" ? start() : plan())} onClose=${onClose} more=${html`
      <label class="grow">S3 Inventory in place of a listing <input type="text" value=${form.inventory} placeholder="s3://…/manifest.json" onInput=${(event) => change({ ...form, inventory: event.target.value })} /></label>
      <${Tick} name="again" ...${own}>Include objects that failed earlier or were deleted from the target<//>`}>
      <div class="actions"><button type="submit" class="button primary" disabled=${busy}>Dry run</button>
        ${session.writable ? html`<button type="submit" value="start" class="button" disabled=${busy}>Start</button>` : null}
        ${state.phase === "planning" ? html`<span class="spinner" role="status">Comparing${state.compared ? `: ${plural(state.compared, "object")}` : "…"}</span>` : html`<span class="muted small">A dry run writes nothing to the source or the target.</span>`}</div>
      ${state.phase === "failed" ? html`<${Alert} error=${state.error} />` : null}
      ${state.plan ? html`<${DryRun} plan=${state.plan} />` : null}<//>`;
}

const money = (dollars) => (dollars >= 0.01 ? `$${dollars.toFixed(2)}` : dollars >= 0.0001 ? `$${dollars.toFixed(4)}` : dollars ? "less than $0.0001" : "nothing");

function DryRun({ plan }) {
  const items = Object.entries(plan.dollars.items).filter(([, dollars]) => dollars >= 0.0001);
  return html`<div class="dry-run">
    <${Tallies} tallies=${plan.outcomes} caption=${`${plural(plan.objects, "object")} in s3://${plan.source_bucket}/${plan.prefix}`} />
    <dl class="costs"><div><dt>Cost</dt><dd><strong>${money(plan.dollars.total)}</strong> <span class="muted">at ${plan.dollars.prices_of} list prices of ${plan.dollars.prices_read_on}</span>
      ${items.length ? html`<ul class="small muted">${items.map(([name, dollars]) => html`<li key=${name}>${money(dollars)} ${name}</li>`)}</ul>` : null}</dd></div>
      <div><dt>Time</dt><dd>${plan.minutes ? `about ${duration(plan.minutes * 60)}` : "none"}</dd></div>
      <div><dt>Copied</dt><dd>${size(plan.copied_bytes)}${plan.transferred_bytes ? `, ${size(plan.transferred_bytes)} between regions` : ""}</dd></div>
      ${plan.scanned_bytes ? html`<div><dt>Athena</dt><dd>scans ${size(plan.scanned_bytes)}</dd></div>` : null}
      <div><dt>Requests</dt><dd>${number(plan.s3_requests.copies.writes_and_lists)} to write and ${number(plan.s3_requests.copies.reads)} to read</dd></div>
      <div><dt>Assumed</dt><dd class="muted small">${plan.assumptions.join("; ")}</dd></div></dl></div>`;
}

export function Tallies({ tallies, caption, first = "Action" }) {
  if (!tallies.length) return html`<p class="muted">The source has no such objects.</p>`;
  return html`<div class="table-box"><table class="list compact">${caption ? html`<caption>${visible(caption)}</caption>` : null}<thead><tr><th>${first}</th><th class="right">Objects</th><th class="right wide-only">Size</th><th class="wide">Why</th></tr></thead>
    <tbody>${tallies.map((tally, index) => html`<tr key=${index}><td class=${`action a-${tally.action}`}>${tally.action || ""}</td><td class="right">${number(tally.objects)}</td><td class="right wide-only">${size(tally.size_bytes)}</td><td class="wide">${visible(tally.why)}</td></tr>`)}</tbody></table></div>`;
}
