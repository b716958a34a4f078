// One run or audit: how far it is, what failed and why, its graph with the slices, and what became of each object.
import { useEffect, useMemo, useState } from "preact/hooks";
import {
  Alert, Copy, Denied, Empty, Icon, Link, Status, age, call, duration, exact, executionUrl, html, navigate, number, plural, shortName, size, toast, useLive, useNow, useOnce, visible,
} from "/static/base.js";
import { StatePanel, Steps, interesting } from "/static/execution.js";
import { Picture } from "/static/picture.js";
import { Tallies, WRONG, runUrl } from "/static/runs.js";

// What became of objects, until the run's own counts are known.
const OUTCOMES = ["verified", "started", "skipped", "undecided", "failed"];
// What these are is in the grade and in the differences.
const AS_COMPARED = ["verified", "differs", "failed"];
const title = (word) => word.slice(0, 1).toUpperCase() + word.slice(1);
const PHASES = { planning: "Comparing source and target", copying: "Copying and verifying", starting: "Starting executions", searching: "Listing the target", comparing: "Comparing", reporting: "Writing the report" };
const phaseOf = (data) => (data.kind === "audit" && data.progress.phase === "planning" ? "Listing the source" : PHASES[data.progress.phase] || "Running");

export function Run({ name, query, session }) {
  const base = `/api/runs/${encodeURIComponent(name)}`;
  const { data, error, refresh } = useLive(base, session.on_aws ? session.poll_seconds : 1);
  const { data: picture } = useOnce(data?.definition ? `/api/pictures/${encodeURIComponent(data.definition)}` : null);
  const [chosen, setChosen] = useState(null);
  useEffect(() => { document.title = `${name} · S3 Ferry`; }, [name]);
  if (!data) return error ? html`<${Alert} error=${error} /><p><${Link} to="/runs">All runs<//></p>` : html`<div class="loading" aria-busy="true"></div>`;
  const selected = chosen || interesting(data);
  return html`
    <${Heading} data=${data} session=${session} refresh=${refresh} />
    <${Alert} error=${error} kept />
    <${Denied} reasons=${data.denied} />
    <${Progress} data=${data} />
    <${Report} base=${base} data=${data} query=${query} session=${session} />
    <div class="split">
      <section class="card graph-card" aria-label="Graph">
        ${!data.definition ? html`<${Empty} title="No graph." />` : picture ? html`<${Picture} picture=${picture} states=${data.states} taken=${data.taken} selected=${selected} onSelect=${setChosen} />` : html`<div class="loading" aria-busy="true"></div>`}
      </section>
      <div class="side">
        ${selected ? html`<${StatePanel} key=${selected} base=${base} state=${selected} data=${data} />` : null}
        <${Slices} data=${data} />
        ${data.tallies.length && data.kind !== "audit" ? html`<section class="card" aria-labelledby="plan-title"><h2 id="plan-title">Plan</h2><${Tallies} tallies=${data.tallies} /></section>` : null}
      </div>
    </div>
    <${Steps} data=${data} selected=${selected} onSelect=${setChosen} />`;
}

function Heading({ data, session, refresh }) {
  const now = useNow();
  const [busy, setBusy] = useState(false);
  const running = data.status === "RUNNING";
  const took = Math.max(0, (running ? now : data.stopped || now) - data.attempt_started);
  const send = async (action, words) => {
    setBusy(true);
    try {
      const answer = await call(`/api/runs/${encodeURIComponent(data.run)}/${action}`, { method: "POST", body: {} });
      toast(answer.note ? `${data.run}: ${answer.note}` : words);
      if (answer.run !== data.run) navigate(runUrl(answer.run));
    } catch (error) {
      toast(error.message, { kind: "error" });
    }
    setBusy(false);
    refresh();
  };
  const audit = data.kind === "audit";
  const stop = () => confirm(audit ? "Stop this audit? It cannot be resumed." : "Stop this run? Objects already copied are kept. A replay resumes it.") && send("stop", audit ? "The audit is being stopped." : "The run is being stopped.");
  return html`<div class="heading execution">
    <div class="heading-main">
      <p class="crumbs"><${Link} to="/runs">Runs<//> <span aria-hidden="true">/</span> <code>${visible(data.run)}</code></p>
      <h1><bdi>${visible(data.scope_text)}</bdi></h1>
      <p class="facts-line"><${Status} status=${data.status} />
        <span>${running ? "for" : "after"} ${duration(took)}</span>
        ${data.attempt > 1 ? html`<span>attempt ${data.attempt}</span>` : null}
        <span class="muted" title=${exact(data.started)}>started ${age(now - data.started)} ago</span></p>
    </div>
    <div class="heading-actions">
      ${session.writable && running ? html`<button type="button" class="button" disabled=${busy} onClick=${stop}><${Icon} name="stop" />Stop</button>` : null}
      ${session.writable && data.failed && !audit ? html`<button type="button" class="button primary" disabled=${busy} onClick=${() => send("replay")}><${Icon} name="replay" />Replay</button>` : null}
      <${Copy} text=${data.arn} label="Copy the ARN">ARN<//>
      <${Copy} text=${() => JSON.stringify(data, null, 2)} label="Copy as JSON">JSON<//>
      ${data.link ? html`<a class="button small" href=${data.link} target="_blank" rel="noopener noreferrer"><${Icon} name="link" />AWS console</a>` : null}
    </div></div>`;
}

function Progress({ data }) {
  const { progress } = data;
  const running = data.status === "RUNNING";
  const audit = data.kind === "audit";
  // An object's copy is the first half, its verification the second.
  const done = progress.objects ? (Math.max(progress.objects_copied, progress.objects_done) + progress.objects_done) / (2 * progress.objects) : 0;
  const counts = Object.entries(running ? progress.found : data.counts);
  const nothing = audit ? "Nothing to compare: no object is selected." : "Nothing to copy: the target already has every selected object.";
  return html`<div class="columns run-columns">
    <section class="card" aria-labelledby="progress-title">
      <h2 id="progress-title">${running ? phaseOf(data) : data.failed ? "Result" : "Complete"}</h2>
      ${progress.phase === "planning" && !progress.objects ? html`<p class="muted">${progress.compared ? `${plural(progress.compared, "object")} ${audit ? "listed" : "compared"}` : audit ? "Listing the source." : "Listing both buckets."}</p>` : progress.objects ? html`
        <p class="progress-line"><strong>${number(progress.objects_done)}</strong> of ${plural(progress.objects, "object")}${progress.objects_copied > progress.objects_done ? html` <span class="muted">(${number(progress.objects_copied)} copied)</span>` : null}
          ${progress.size_bytes ? html`<span class="muted">${size(progress.bytes_copied)} of ${size(progress.size_bytes)} copied</span>` : null}
          ${running && progress.executions_running ? html`<span class="muted">${plural(progress.executions_running, "execution")} running</span>` : null}
          ${running && progress.objects_per_second ? html`<span class="muted">${number(Math.round(progress.objects_per_second * 10) / 10)} a second</span>` : null}
          ${running && progress.seconds_left ? html`<span class="muted">about ${duration(Math.round(progress.seconds_left))} left</span>` : null}</p>
        <progress max="1" value=${done} aria-label="Objects done"></progress>
        <${Curve} data=${data} />` : html`<p class="muted">${data.failed ? "It ended before there was a plan." : nothing}</p>`}
      ${audit && data.tallies.length ? html`<${Tallies} tallies=${data.tallies} first="Status" />` : counts.length ? html`<p class="facts-line">${counts.map(([status, count]) => html`<span key=${status} class=${WRONG.includes(status) ? "reason" : null}><strong>${number(count)}</strong> ${status}</span>`)}</p>` : null}
      ${data.error ? html`<div class="error-box"><strong>${visible(data.error)}</strong><p>${visible(data.cause || "")}</p></div>` : null}
    </section>
    <section class="card" aria-labelledby="failures-title"><h2 id="failures-title">${audit ? "Findings" : "Failures by reason"}</h2>
      ${data.reasons.length ? html`<ul class="reasons">${data.reasons.map(({ title, count, filters, example }) => html`<li key=${title}><span class="reason-count">${number(count)}</span>
        <div><strong>${visible(title)}</strong> ${audit && !reported(data) ? null : html`<${Link} to=${`${runUrl(data.run)}?${new URLSearchParams(filters)}`} class="small">show them<//>`}
          ${example ? html`<p class="clamp">${visible(example.cause)}</p><p class="small muted">e.g. <bdi>${visible(example.key)}</bdi></p>` : null}</div></li>`)}</ul>`
        : html`<${Empty} title=${audit ? (running ? "Nothing found so far." : reported(data) ? "The target is what the source is." : "It ended before it could report.") : "No object has failed."} />`}
    </section></div>`;
}

// The report of an audit is written at its end.
const reported = (data) => data.kind !== "audit" || data.status === "SUCCEEDED";

const clock = (seconds) => new Date(seconds * 1000).toTimeString().slice(0, 8);

// Objects that have been copied by a time. Its words are in the label, its figures in the line above.
function Curve({ data }) {
  const now = useNow();
  const { plot, progress } = data;
  if (plot.length < 2) return null;
  const began = plot[0][0];
  const end = Math.max(plot[plot.length - 1][0], data.status === "RUNNING" ? now : 0, began + 1);
  const top = Math.max(progress.objects, plot[plot.length - 1][1], 1);
  const [width, height, left, bottom] = [640, 176, 48, 26];
  const x = (seconds) => left + ((width - left - 8) * (seconds - began)) / (end - began);
  const y = (objects) => 8 + (height - bottom - 8) * (1 - objects / top);
  const points = [...plot, [end, plot[plot.length - 1][1]]];
  const line = points.map(([seconds, objects]) => `${x(seconds).toFixed(1)} ${y(objects).toFixed(1)}`).join("L");
  return html`<figure class="plot curve"><svg viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`Objects copied over ${duration(end - began)}: ${number(plot[plot.length - 1][1])} of ${number(progress.objects)}`}>
    ${[0, top / 2, top].filter((tick) => Number.isInteger(tick)).map((tick) => html`<g key=${tick}><line class="grid" x1=${left} x2=${width} y1=${y(tick)} y2=${y(tick)} /><text class="tick" x=${left - 6} y=${y(tick)} dy=".35em" text-anchor="end">${number(tick)}</text></g>`)}
    <path class="area" d=${`M${x(began)} ${y(0)}L${line}L${x(end).toFixed(1)} ${y(0)}Z`} /><path class="line" d=${`M${line}`} />
    <text class="tick" x=${left} y=${height - 4}>${clock(began)}</text><text class="tick" x=${width - 8} y=${height - 4} text-anchor="end">${clock(end)}</text></svg>
    <figcaption>Objects copied, over ${duration(end - began)}</figcaption></figure>`;
}

function Slices({ data }) {
  if (!data.map_runs.length) return null;
  const again = (run) => data.map_runs.filter((other) => other.state === run.state).length;
  return html`<section class="card" aria-labelledby="slices-title"><h2 id="slices-title">Slices</h2>
    ${data.map_runs.map((run, index) => html`<div key=${index} class="map-run">
      <p class="facts-line"><strong>${run.state}</strong>${again(run) > 1 ? html`<span class="muted">visit ${data.map_runs.slice(0, index + 1).filter((other) => other.state === run.state).length} of ${again(run)}</span>` : null}${run.status ? html`<span>${plural(run.slices.total, "slice")}</span>` : null}
        ${[["running", run.slices.running], ["waiting", run.slices.waiting], ["done", run.slices.done], ["failed", run.slices.failed]].filter(([, count]) => count).map(([word, count]) => html`<span key=${word} class=${word === "failed" ? "reason" : "muted"}>${number(count)} ${word}</span>`)}</p>
      <div class="table-box"><table class="list compact"><thead><tr><th>Slice</th><th>Status</th><th>State</th><th class="right">Took</th></tr></thead>
        <tbody>${run.children.map((child) => html`<tr key=${child.name}><td title=${child.name}>${child.link ? html`<a href=${child.link} target="_blank" rel="noopener noreferrer">${child.slice || shortName(child.name)}</a>` : child.slice || shortName(child.name)}</td><td><${Status} status=${child.status} quiet /></td>
          <td>${visible(child.state || "")}${child.error ? html` <span class="reason" title=${visible(child.cause || "")}>${visible(child.error)}</span>` : null}${child.retries ? html` <span class="warn">${plural(child.retries, "retry", "retries")}</span>` : null}</td>
          <td class="right">${child.stopped ? duration(child.stopped - child.started) : ""}</td></tr>`)}</tbody></table></div>
      ${run.children.length < run.slices.total ? html`<p class="muted small">Not all slices are listed: failed and running ones come first, then the newest. The graph counts only the listed ones.</p>` : null}</div>`)}</section>`;
}

const FILTERS = ["status", "error", "difference", "key"];

function Report({ base, data, query, session }) {
  const filters = useMemo(() => Object.fromEntries(FILTERS.map((name) => [name, query.get(name) || ""])), [query]);
  const [text, setText] = useState(filters.key);
  const to = (changes) => {
    const kept = new URLSearchParams(Object.entries({ ...filters, ...changes }).filter(([, value]) => value));
    navigate(`${runUrl(data.run)}${kept.toString() ? `?${kept}` : ""}`, { replace: true });
  };
  useEffect(() => {
    if (text === filters.key) return undefined;
    const timer = setTimeout(() => to({ key: text }), 300);
    return () => clearTimeout(timer);
  }, [text]);
  const known = Object.keys(data.counts);
  const statuses = [...new Set(["", ...(known.length ? known : OUTCOMES), filters.status])];
  const asked = new URLSearchParams(Object.entries(filters).filter(([, value]) => value)).toString();
  const { data: found, error, reload } = useOnce(reported(data) ? `${base}/report${asked ? `?${asked}` : ""}` : null);
  useEffect(() => { if (found) reload(); }, [data.status, data.report, session.on_aws ? 0 : data.progress.objects_done]);
  return html`<section class="card report" aria-labelledby="report-title"><div class="card-head"><h2 id="report-title">Report</h2>
      <span>${data.report ? html`<code class="small">${visible(data.report)}</code>` : reported(data) ? html`<span class="muted small">so far</span>` : null} ${reported(data) ? html`<button type="button" class="button small" onClick=${reload}>Reload</button>` : null}</span></div>
    ${reported(data) ? html`<div class="filters" role="search"><label class="search"><${Icon} name="search" /><span class="sr">Find by key</span><input type="search" placeholder="Find by key" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
      <div class="chips" role="group" aria-label="Outcome">${statuses.map((status) => html`<button key=${status} type="button" class="chip" aria-pressed=${filters.status === status} onClick=${() => to({ status, error: "", difference: "" })}>${status ? title(status) : "All"}${status && data.counts[status] ? html`<span class="count">${number(data.counts[status])}</span>` : null}</button>`)}
        ${["error", "difference"].filter((name) => filters[name]).map((name) => html`<button key=${name} type="button" class="chip" aria-pressed="true" onClick=${() => to({ [name]: "" })}>${visible(filters[name])}<${Icon} name="close" label="Remove this filter" /></button>`)}</div></div>` : null}
    <${Alert} error=${error} kept=${found} />
    ${reported(data) ? null : html`<p class="muted">${data.failed ? "There is no report: the audit did not succeed." : "The report is written at the end of the audit."}</p>`}
    ${found ? found.lines.length ? html`<div class="table-box results" role="region" aria-label="Objects" tabindex="0"><table class="list compact"><thead><tr><th>Outcome</th><th class="wide">Key</th><th class="right wide-only">Size</th><th class="wide-only">${data.kind === "audit" ? "Why" : "Planned"}</th><th class="wide-only">Grade</th></tr></thead>
      <tbody>${found.lines.map((line) => html`<tr key=${line.key}><td class=${`outcome-word o-${line.status}`}>${line.status}</td>
        <td class="key wide"><bdi>${visible(line.key)}</bdi>${line.target_key === line.key ? null : html`<span class="sub">as <bdi>${visible(line.target_key)}</bdi></span>`}
          ${line.error || line.cause || line.differences ? html`<span class="sub reason">${line.error ? html`<strong>${visible(line.error)}</strong> ` : null}${visible(line.cause || (line.differences || []).join(", "))}</span>` : null}
          ${line.execution ? html`<span class="sub">execution <${Link} to=${executionUrl(line.execution)}>${shortName(line.execution)}<//></span>` : null}</td>
        <td class="right wide-only">${size(line.size_bytes)}</td><td class="muted wide-only">${data.kind === "audit" ? (AS_COMPARED.includes(line.status) ? "" : line.why) : line.reason.replaceAll("_", " ")}</td><td class="wide-only">${line.grade || ""}</td></tr>`)}</tbody></table></div>
      ${found.more ? html`<p class="muted small">Only the first ${found.lines.length} are shown. <code>ferry report ${data.run} --csv</code> prints all.</p>` : null}`
      : html`<${Empty} title=${asked ? "No object matches." : data.kind === "audit" ? "No objects." : "No outcomes yet."} />` : error || !reported(data) ? null : html`<div class="loading" aria-busy="true"></div>`}
  </section>`;
}
