// One execution: the outcome in words, the graph of its definition, the state that is selected, and all steps.
import { useEffect, useMemo, useState } from "preact/hooks";
import {
  Alert, Copy, Denied, Empty, Icon, Link, Status, age, call, duration, exact, executionUrl, html, navigate, plural, shortName, size, useLive, useNow, useOnce, visible,
} from "/static/base.js";
import { Picture } from "/static/picture.js";
import { replay } from "/static/executions.js";

const BAD = ["FAILED", "TIMED_OUT", "ABORTED"];

// The state that a person wants to see first: the failed one, else the current one, else the last one.
export const interesting = (data) => {
  const runs = Object.entries(data.states);
  const failed = runs.find(([, run]) => BAD.includes(run.status));
  const running = runs.find(([, run]) => run.status === "RUNNING");
  return (failed || running)?.[0] ?? data.visits[data.visits.length - 1]?.state ?? null;
};

export function Execution({ name, session }) {
  const base = `/api/executions/${encodeURIComponent(name)}`;
  const { data, error, refresh } = useLive(base, session.poll_seconds);
  const { data: picture } = useOnce(data?.definition ? `/api/pictures/${encodeURIComponent(data.definition)}` : null);
  const [chosen, setChosen] = useState(null);
  useEffect(() => { document.title = `${data?.key ? visible(data.key) : shortName(name)} · S3 Ferry`; }, [data?.key]);
  if (!data) return error ? html`<${Alert} error=${error} /><p><${Link} to="/executions">All executions<//></p>` : html`<div class="loading" aria-busy="true"></div>`;
  const selected = chosen || interesting(data);
  return html`
    <${Heading} data=${data} session=${session} refresh=${refresh} />
    <${Alert} error=${error} kept />
    <${Denied} reasons=${data.denied} />
    <div class="split">
      <section class="card graph-card" aria-label="Graph">
        ${!data.definition ? html`<${Empty} title="No graph." />` : picture ? html`<${Picture} picture=${picture} states=${data.states} taken=${data.taken} selected=${selected} onSelect=${setChosen} />` : html`<div class="loading" aria-busy="true"></div>`}
      </section>
      <div class="side">
        <${Outcome} data=${data} />
        ${selected ? html`<${StatePanel} key=${selected} base=${base} state=${selected} data=${data} />` : null}
      </div>
    </div>
    <${Steps} data=${data} selected=${selected} onSelect=${setChosen} />`;
}

function Heading({ data, session, refresh }) {
  const now = useNow();
  const [busy, setBusy] = useState(false);
  const took = Math.max(0, (data.running ? now : data.stopped || now) - data.attempt_started);
  const again = async (restart) => {
    setBusy(true);
    await replay({ names: [data.name], restart }, ([result]) => {
      if (result?.running && result.running !== data.name) navigate(executionUrl(result.running));
    });
    setBusy(false);
    refresh();
  };
  const settled = data.successor || data.repeated;
  return html`<div class="heading execution">
    <div class="heading-main">
      <p class="crumbs"><${Link} to="/executions">Executions<//> <span aria-hidden="true">/</span> <code title=${data.name}>${shortName(data.name)}</code></p>
      <h1 title=${visible(data.key ?? data.name)}><bdi>${data.key === null ? shortName(data.name) : visible(data.key)}</bdi></h1>
      <p class="facts-line">
        <${Status} status=${data.status} group=${data.failed && settled ? "settled" : ""} />
        <span>${data.running ? "for" : "after"} ${duration(took)}</span>
        ${data.size === null ? null : html`<span>${size(data.size)}</span>`}
        ${data.source_bucket ? html`<span class="muted"><code>${data.source_bucket}</code>${data.target_bucket ? html` → <code>${data.target_bucket}</code>` : null}</span>` : null}
        ${data.target_key && data.target_key !== data.key ? html`<span>as <bdi>${visible(data.target_key)}</bdi></span>` : null}
        <span class="muted" title=${exact(data.started)}>started ${age(now - data.started)} ago</span>
        ${data.rule && data.rule !== "default" ? html`<span class="muted">by ${visible(data.rule)}</span>` : null}
      </p>
    </div>
    <div class="heading-actions">
      ${session.writable && data.failed && !settled ? html`
        <button type="button" class="button primary" disabled=${busy} onClick=${() => again(false)}><${Icon} name="replay" />Replay</button>
        <button type="button" class="button" disabled=${busy} onClick=${() => again(true)} title="Start a new execution with the same input, e.g. to use a new workflow">Restart</button>` : null}
      <${Copy} text=${data.arn} label="Copy the ARN">ARN<//>
      <${Copy} text=${() => JSON.stringify(data, null, 2)} label="Copy as JSON">JSON<//>
      ${data.link ? html`<a class="button small" href=${data.link} target="_blank" rel="noopener noreferrer"><${Icon} name="link" />AWS console</a>` : null}
    </div></div>`;
}

function Outcome({ data }) {
  const facts = data.facts.filter((fact) => fact.label !== "Replayed");
  return html`<section class="card outcome ${data.failed ? "bad" : data.running ? "" : "good"}" aria-labelledby="outcome-title">
    <h2 id="outcome-title">${data.running ? html`Now in <strong>${visible(data.state || "its start")}</strong>` : "Outcome"}</h2>
    ${facts.length ? html`<dl>${facts.map((fact, index) => html`<div key=${index} class=${fact.label === "Failed" ? "fact failed" : "fact"}><dt>${fact.label}</dt>
      <dd>${fact.strong ? html`<strong>${visible(fact.strong)}</strong>` : null}${visible(fact.text)}${fact.detail ? html` <span class="muted">${visible(fact.detail)}</span>` : null}</dd></div>`)}</dl>` : html`<p class="muted">Nothing yet.</p>`}
    ${data.successor || data.repeated ? html`<p class="notice">${data.successor ? "Replayed as" : "Retried as"} <${Link} to=${executionUrl(data.successor || data.repeated)}>${shortName(data.successor || data.repeated)}<//></p>` : null}
    ${data.redrive_reason ? html`<p class="muted">A replay starts a new execution: ${visible(data.redrive_reason)}</p>` : null}
  </section>`;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// What a visit changed in the document: the keys of the output that the input does not have, or has otherwise.
function resultOf(visit) {
  try {
    const [before, after] = [JSON.parse(visit.input), JSON.parse(visit.output)];
    const changed = Object.keys(after).filter((key) => JSON.stringify(after[key]) !== JSON.stringify(before[key]));
    return changed.length ? JSON.stringify(Object.fromEntries(changed.map((key) => [key, after[key]]))) : null;
  } catch {
    return null;
  }
}

export function StatePanel({ base, state, data }) {
  const run = data.states[state];
  const { data: found, error, reload } = useOnce(`${base}/state?state=${encodeURIComponent(state)}`);
  useEffect(() => { if (found) reload(); }, [data.revision]);
  const [number, setNumber] = useState(null);
  const [tab, setTab] = useState(null);
  const visits = found?.visits || [];
  const last = visits[number ?? visits.length - 1];
  const visit = last && { ...last, result: resultOf(last) };
  // The outcome, above, says the same about the step that failed.
  const said = data.facts?.find((fact) => fact.label === "Failed")?.text || data.cause || "";
  const taken = new Set(data.taken.filter(([source]) => source === state).map(([, target]) => target));
  const tabs = visit ? [["result", "Result"], ["output", "Output"], ["input", "Input"]].filter(([field]) => visit[field] !== null) : [];
  const open = tabs.some(([field]) => field === tab) ? tab : tabs[0]?.[0];
  return html`<section class="card state-panel" aria-labelledby="state-title">
    <h2 id="state-title"><span>${visible(state)}</span>${run ? html`<${Status} status=${run.status} />` : html`<span class="badge">not reached</span>`}</h2>
    ${found ? html`<p class="muted">${visible(found.comment)}</p>` : null}
    <${Alert} error=${error} />
    ${found ? html`<p class="facts-line">
      <span class="badge">${found.type}</span>
      ${found.resource ? html`<code class="resource" title=${visible(found.resource)}>${visible(found.resource)}</code>` : null}
      ${run && ["Task", "Wait"].includes(found.type) ? html`<span>${duration(run.seconds)} in all</span>` : null}
      ${run?.notes && run.notes !== run.error ? html`<span>${visible(run.notes)}</span>` : null}
      ${found.timeout ? html`<span class="muted">time-out ${found.timeout} s</span>` : null}</p>` : null}
    ${found?.choices.length ? html`<ul class="choices">${found.choices.map((choice, index) => html`<li key=${index} class=${visit?.ended && taken.has(choice.next) ? "" : "muted"}><code>${visible(choice.when)}</code> → ${visible(choice.next)}</li>`)}</ul>` : null}
    ${visits.length > 1 ? html`<label class="visits">Visit <select value=${number ?? visits.length - 1} onChange=${(event) => setNumber(Number(event.target.value))}>
      ${visits.map((each, index) => html`<option key=${index} value=${index}>${found.visits_omitted + index + 1}, ${duration(each.seconds)}${each.error ? `, ${visible(each.error)}` : ""}</option>`)}</select> of ${found.visits_omitted + visits.length}</label>` : null}
    ${visit ? html`
      <p class="muted small">${exact(visit.entered)}, ${duration(visit.seconds)}${visit.retries ? `, ${plural(visit.retries, "retry", "retries")}` : ""}</p>
      ${visit.error ? html`<div class="error-box"><strong>${visible(visit.error)}</strong>${visit.cause && !said.includes(visit.cause) ? html`<p>${visible(visit.cause)}</p>` : null}</div>` : null}
      ${visit.retried_errors.length ? html`<p class="small">Retried after ${visit.retried_errors.map(visible).join(", ")}</p>` : null}
      ${tabs.length ? html`<div class="tabs"><div role="tablist" aria-label="Documents">${tabs.map(([field, title]) => html`<button key=${field} type="button" role="tab" id=${`tab-${field}`} aria-selected=${open === field} aria-controls="document" class="tab-button" onClick=${() => setTab(field)}>${title}</button>`)}</div>
        <${Copy} text=${visit[open] || ""} label="Copy the document" /></div>
        <pre id="document" role="tabpanel" aria-labelledby=${`tab-${open}`} tabindex="0" class="json">${pretty(visit[open]).split("\n").map(visible).join("\n")}</pre>` : null}` : null}
  </section>`;
}

export function Steps({ data, selected, onSelect }) {
  const attempts = useMemo(() => data.attempts.map((attempt) => ({ ...attempt, visits: data.visits.filter((visit) => visit.attempt === attempt.number) })), [data.revision]);
  return html`<section class="card steps" aria-labelledby="steps-title"><h2 id="steps-title">Steps</h2>
    ${data.visits_omitted ? html`<p class="muted">The first ${data.visits_omitted} are omitted.</p>` : null}
    ${attempts.filter((attempt) => attempt.visits.length).map((attempt) => {
      const begin = attempt.visits[0].entered;
      const last = attempt.visits[attempt.visits.length - 1];
      const span = Math.max(0.001, last.entered + last.seconds - begin);
      return html`<div key=${attempt.number} class="table-box">
        ${attempts.length > 1 ? html`<h3>${attempt.number ? `Redrive ${attempt.number}` : "First attempt"} <span class="muted">${exact(attempt.started)}</span></h3>` : null}
        <table class="list steps-table"><thead><tr><th class="right">#</th><th>State</th><th>Status</th><th class="right">Began after</th><th class="right">Took</th><th class="bar-cell"><span class="sr">Time line</span></th><th class="wide">Notes</th></tr></thead>
        <tbody>${attempt.visits.map((visit, index) => html`<tr key=${index} class=${visit.state === selected ? "row current" : "row"} onClick=${() => onSelect(visit.state)}>
          <td class="right muted">${index + 1}</td>
          <td><button type="button" class="plain" onClick=${() => onSelect(visit.state)}>${visible(visit.state)}</button></td>
          <td><${Status} status=${visit.status} quiet /></td>
          <td class="right">${duration(visit.entered - begin)}</td>
          <td class="right">${duration(visit.seconds)}</td>
          <td class="bar-cell"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class=${`bar s-${visit.status} t-${visit.type}`} x=${(100 * (visit.entered - begin)) / span} width=${Math.max(0.6, (100 * visit.seconds) / span)} y="0" height="8" rx="1" /></svg></td>
          <td class="wide">${visit.retries ? html`<span class="warn">${plural(visit.retries, "retry", "retries")}</span> ` : null}${visit.error ? html`<span class="reason">${visible(visit.error)}</span>` : null}</td></tr>`)}</tbody></table></div>`;
    })}</section>`;
}
