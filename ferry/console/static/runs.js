// Runs over objects that are already in a source: the list, and a backfill with its dry run.
import { useEffect, useRef, useState } from "preact/hooks";
import { Alert, Empty, Icon, Link, Status, age, call, duration, exact, html, navigate, number, plural, size, toast, useLive, useNow, visible } from "/static/base.js";

const PAUSE = 500;

export const runUrl = (name) => `/runs/${encodeURIComponent(name)}`;

// What runs have looked like a moment ago changes slowly on AWS, where each running one costs a call.
export const runsPace = (session) => (session.on_aws ? 15 : 1);

export function Runs({ session }) {
  const { data, error, refresh } = useLive("/api/runs", runsPace(session));
  const now = useNow();
  useEffect(() => { document.title = "Runs · S3 Ferry"; }, []);
  const runs = data?.runs || [];
  return html`<section aria-labelledby="title">
    <div class="heading"><h1 id="title">Runs</h1><span class="muted">over objects that are already in a source</span></div>
    <${Alert} error=${error} kept=${runs.length > 0} />
    <${Backfill} session=${session} onStart=${refresh} />
    ${runs.length ? html`<div class="table-box"><table class="list"><thead><tr><th>Status</th><th class="wide">Run</th><th class="wide">Objects</th><th class="right">Duration</th><th class="right">Age</th></tr></thead>
      <tbody>${runs.map((run) => html`<tr key=${run.run} class="row" onClick=${(event) => event.target.closest("a") || getSelection().toString() || navigate(runUrl(run.run))}>
        <td data-label="Status"><${Status} status=${run.status} /></td>
        <td class="key wide"><${Link} to=${runUrl(run.run)}><bdi>${visible(run.scope_text)}</bdi><//><span class="sub">${visible(run.run)}</span></td>
        <td class="key wide">${visible(run.outcome)}${run.failed && run.error ? html`<span class="sub reason"><strong>${visible(run.error)}</strong> ${visible(run.cause || "")}</span>` : null}</td>
        <td class="right" data-label="Duration">${duration(Math.max(0, (run.status === "RUNNING" ? now : run.stopped || now) - run.attempt_started))}</td>
        <td class="right" data-label="Age" title=${exact(run.started)}>${age(now - run.started)}</td></tr>`)}</tbody></table></div>`
      : data ? html`<${Empty} title="No runs yet."><p>A backfill copies objects that were in the source before the deployment, or whose events were missed.</p><//>` : error ? null : html`<div class="loading" aria-busy="true"></div>`}
  </section>`;
}

function Backfill({ session, onStart }) {
  const [open, setOpen] = useState(false);
  const [form, setForm] = useState({ prefix: "", source: session.sources.length === 1 ? "" : session.sources[0], since: "", min_age: "" });
  const [state, setState] = useState({ phase: "idle" });
  const running = useRef(null);
  useEffect(() => () => { running.current = null; }, []);
  const change = (name) => (event) => {
    setForm({ ...form, [name]: event.target.value });
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
    if (!confirm(`Copy what the target lacks of ${form.prefix ? `the keys that start with ${visible(form.prefix)}` : "all keys"}?`)) return;
    setState({ ...state, phase: "starting" });
    try {
      const { run } = await call("/api/runs", { method: "POST", body: form });
      toast(`Started ${run}.`);
      onStart();
      navigate(runUrl(run));
    } catch (error) {
      setState({ ...state, phase: "failed", error });
    }
  };
  if (!open) return html`<div class="actions"><button type="button" class="button primary" onClick=${() => setOpen(true)}>New backfill</button></div>`;
  const busy = state.phase === "planning" || state.phase === "starting";
  return html`<section class="card backfill" aria-labelledby="backfill-title"><div class="card-head"><h2 id="backfill-title">Backfill</h2><button type="button" class="button icon-only small" aria-label="Close" onClick=${() => setOpen(false)}><${Icon} name="close" /></button></div>
    <form class="fields" onSubmit=${(event) => { event.preventDefault(); plan(); }}>
      ${session.sources.length > 1 ? html`<label>Source <select value=${form.source} onChange=${change("source")}>${session.sources.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>` : null}
      <label class="grow">Keys that start with <input type="text" value=${form.prefix} placeholder="all keys" onInput=${change("prefix")} ref=${(input) => { if (input && !form.focused) { form.focused = true; input.focus(); } }} /></label>
      <label>Modified since <input type="text" value=${form.since} placeholder="2026-01-31" size="12" onInput=${change("since")} /></label>
      <label>At least this old <input type="text" value=${form.min_age} placeholder="15m" size="6" onInput=${change("min_age")} /></label>
      <div class="actions"><button type="submit" class="button primary" disabled=${busy}>Dry run</button>
        ${session.writable ? html`<button type="button" class="button" disabled=${busy} onClick=${start}>Start</button>` : null}
        ${state.phase === "planning" ? html`<span class="spinner" role="status">Comparing${state.compared ? `: ${plural(state.compared, "object")}` : "…"}</span>` : html`<span class="muted small">A dry run writes nothing to the source or the target.</span>`}</div>
    </form>
    ${state.phase === "failed" ? html`<${Alert} error=${state.error} />` : null}
    ${state.plan ? html`<${DryRun} plan=${state.plan} />` : null}</section>`;
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

export function Tallies({ tallies, caption }) {
  if (!tallies.length) return html`<p class="muted">The source has no such objects.</p>`;
  return html`<div class="table-box"><table class="list compact">${caption ? html`<caption>${visible(caption)}</caption>` : null}<thead><tr><th>Action</th><th class="right">Objects</th><th class="right">Size</th><th class="wide">Why</th></tr></thead>
    <tbody>${tallies.map((tally, index) => html`<tr key=${index}><td class=${`action a-${tally.action}`}>${tally.action}</td><td class="right">${number(tally.objects)}</td><td class="right">${size(tally.size_bytes)}</td><td class="wide">${visible(tally.why)}</td></tr>`)}</tbody></table></div>`;
}
