// The list of executions: live, filtered by the address, with replays of one, several or all failures.
import { useEffect, useMemo, useState } from "preact/hooks";
import {
  Alert, Empty, Icon, Link, Status, age, call, duration, exact, executionUrl, html, navigate, number, plural, shortName, size,
  toast, useLive, useNow, visible,
} from "/static/base.js";

const GROUPS = [["", "All"], ["running", "Running"], ["failed", "Failed"], ["settled", "Replayed"], ["succeeded", "Succeeded"]];
const PERIODS = [["", "Any time"], ["1h", "Last hour"], ["24h", "Last 24 hours"], ["7d", "Last 7 days"], ["30d", "Last 30 days"]];

export async function replay(body, onDone) {
  try {
    const { results } = await call("/api/replay", { method: "POST", body });
    if (!results.length) toast("Nothing to replay.");
    for (const result of results.slice(0, 3)) {
      toast(`${result.key || shortName(result.name)}: ${result.text.replace(/\b([0-9a-f]{12})[0-9a-f]{28}\b/g, "$1")}`, { link: result.running ? executionUrl(result.running) : null });
    }
    if (results.length > 3) toast(`${results.length - 3} more were replayed.`);
    onDone?.(results);
  } catch (error) {
    toast(error.message, { kind: "error" });
  }
}

function change(query, changes) {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries({ page: "", ...changes })) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const text = next.toString();
  return `/executions${text ? `?${text}` : ""}`;
}

export function Executions({ query, session }) {
  const asked = useMemo(() => {
    const kept = new URLSearchParams();
    for (const name of ["key", "status", "from", "page"]) if (query.get(name)) kept.set(name, query.get(name));
    return kept.toString();
  }, [query]);
  const { data, previous, error, refresh } = useLive(`/api/executions?${asked}`, session.poll_seconds);
  const shown = data || previous;
  const [selected, setSelected] = useState(() => new Set());
  const [busy, setBusy] = useState(false);
  const rows = shown?.rows || [];
  const replayable = rows.filter((row) => row.group === "failed").map((row) => row.name);
  const chosen = [...selected].filter((name) => replayable.includes(name));
  const send = async (body) => {
    setBusy(true);
    await replay(body, () => setSelected(new Set()));
    setBusy(false);
    refresh();
  };
  const problem = error || shown?.error;
  useEffect(() => { document.title = "Executions · S3 Ferry"; }, []);
  return html`
    <section aria-labelledby="title">
      <div class="heading"><h1 id="title">Executions</h1>
        ${shown ? html`<span class="muted">${plural(shown.all, "execution")}${shown.unread ? html`, <span class="progress-note">reading the keys of ${number(shown.unread)}</span>` : null}</span>` : null}
      </div>
      <${Filters} query=${query} counts=${shown?.counts} />
      <${Alert} error=${problem} kept=${rows.length > 0} />
      ${session.writable && (chosen.length || shown?.counts.failed) ? html`<div class="actions">
        <button type="button" class="button primary" disabled=${busy || !chosen.length} onClick=${() => send({ names: chosen })}><${Icon} name="replay" />${chosen.length ? `Replay ${plural(chosen.length, "failure")}` : "Replay selected"}</button>
        <button type="button" class="button" disabled=${busy || !shown.counts.failed} onClick=${() => confirm(`Replay all failed executions of ${session.name}?`) && send({ failed: true })}>Replay all failed</button>
      </div>` : null}
      ${shown && !rows.length ? html`<${Nothing} shown=${shown} query=${query} session=${session} />` : null}
      ${rows.length ? html`<${Table} rows=${rows} session=${session} selected=${selected} setSelected=${setSelected} replayable=${replayable} />` : null}
      ${shown && shown.pages > 1 ? html`<${Pages} shown=${shown} query=${query} />` : null}
      ${shown || error ? null : html`<div class="loading" aria-busy="true"></div>`}
    </section>`;
}

function Nothing({ shown, query, session }) {
  if (!shown.complete) return html`<div class="loading" aria-busy="true"></div>`;
  if (shown.all) return html`<${Empty} title="No execution matches."><${Link} to="/executions">Show all<//><//>`;
  return html`<${Empty} title="No executions yet."><p>${session.writable ? "Drop a file on this page to upload it" : "Upload a file"} to <code>s3://${session.source_bucket}</code>.</p><//>`;
}

function Filters({ query, counts }) {
  const [text, setText] = useState(query.get("key") || "");
  useEffect(() => setText(query.get("key") || ""), [query.get("key")]);
  useEffect(() => {
    if (text === (query.get("key") || "")) return undefined;
    const timer = setTimeout(() => navigate(change(query, { key: text }), { replace: true }), 200);
    return () => clearTimeout(timer);
  }, [text]);
  const status = query.get("status") || "";
  const total = counts ? Object.values(counts).reduce((sum, count) => sum + count, 0) : null;
  return html`<div class="filters" role="search">
    <label class="search"><${Icon} name="search" /><span class="sr">Find by key or name</span>
      <input type="search" placeholder="Find by key or name" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <div class="chips" role="group" aria-label="Status">${GROUPS.map(([group, title]) => html`
      <button key=${group} type="button" class="chip g-${group || "all"}" aria-pressed=${status === group} onClick=${() => navigate(change(query, { status: group }), { replace: true })}>
        ${title}${counts ? html`<span class="count">${number(group ? counts[group] : total)}</span>` : null}</button>`)}</div>
    <label><span class="sr">Period</span><select value=${query.get("from") || ""} onChange=${(event) => navigate(change(query, { from: event.target.value }), { replace: true })}>
      ${PERIODS.map(([value, title]) => html`<option key=${value} value=${value}>${title}</option>`)}</select></label>
  </div>`;
}

function Pages({ shown, query }) {
  const to = (page) => navigate(change(query, { page: page > 1 ? String(page) : "" }));
  return html`<nav class="pages" aria-label="Pages">
    <button type="button" class="button small" disabled=${shown.page <= 1} onClick=${() => to(shown.page - 1)}>Newer</button>
    <span>Page ${shown.page} of ${shown.pages}, ${plural(shown.selected, "execution")}</span>
    <button type="button" class="button small" disabled=${shown.page >= shown.pages} onClick=${() => to(shown.page + 1)}>Older</button></nav>`;
}

function Table({ rows, session, selected, setSelected, replayable }) {
  const now = useNow();
  const toggle = (name) => setSelected((old) => {
    const next = new Set(old);
    if (!next.delete(name)) next.add(name);
    return next;
  });
  const all = replayable.length > 0 && replayable.every((name) => selected.has(name));
  const some = !all && replayable.some((name) => selected.has(name));
  return html`<div class="table-box stacked"><table class="list">
    <thead><tr>
      ${session.writable ? html`<th class="tick"><input type="checkbox" aria-label="Select all failures on this page" checked=${all} ref=${(box) => { if (box) box.indeterminate = some; }} disabled=${!replayable.length}
        onChange=${() => setSelected(all ? new Set() : new Set(replayable))} /></th>` : null}
      <th>Status</th><th class="wide">Key</th><th class="right">Size</th><th>State</th><th>Grade</th><th class="right">Duration</th><th class="right">Age</th></tr></thead>
    <tbody>${rows.map((row) => html`<${Row} key=${row.name} row=${row} now=${now} session=${session} selected=${selected.has(row.name)} toggle=${toggle} />`)}</tbody>
  </table></div>`;
}

// The last state, unless the status says the same.
export const stateOf = (row) => (row.state === "Succeeded" && row.status === "SUCCEEDED" ? "" : visible(row.state || ""));

export function Key({ row }) {
  if (row.key === null) return html`<span class="muted">${row.read ? "not an upload" : "reading…"} <code>${shortName(row.name)}</code></span>`;
  return html`<bdi>${visible(row.key)}</bdi>`;
}

function Row({ row, now, session, selected, toggle }) {
  const ended = row.stopped && row.status !== "RUNNING" ? row.stopped : now;
  const open = (event) => {
    if (event.target.closest("a, button, input, label") || getSelection().toString()) return;
    navigate(executionUrl(row.name));
  };
  return html`<tr class="row g-${row.group}" onClick=${open}>
    ${session.writable ? html`<td class="tick">${row.group === "failed" ? html`<input type="checkbox" aria-label=${`Select ${visible(row.key || row.name)}`} checked=${selected} onChange=${() => toggle(row.name)} />` : null}</td>` : null}
    <td data-label="Status"><${Status} status=${row.status} group=${row.group} /></td>
    <td class="key wide"><${Link} to=${executionUrl(row.name)} title=${row.key === null ? row.name : visible(row.key)}><${Key} row=${row} /><//>
      ${row.target_key ? html`<span class="sub">as <bdi>${visible(row.target_key)}</bdi></span>` : null}
      ${row.group === "failed" || row.group === "settled" ? html`<span class="sub reason">${row.error ? html`<strong>${visible(row.error)}</strong> ` : null}${row.cause ? visible(row.cause) : null}</span>` : null}
      ${row.successor || row.repeated ? html`<span class="sub">${row.successor ? "replayed as" : "retried as"} <${Link} to=${executionUrl(row.successor || row.repeated)}>→ ${shortName(row.successor || row.repeated)}<//></span>` : null}
      ${row.group === "running" && row.error ? html`<span class="sub warn">retrying after ${visible(row.error)}</span>` : null}</td>
    <td class="right" data-label="Size">${size(row.size)}</td>
    <td data-label="State" class="state">${stateOf(row)}</td>
    <td data-label="Grade">${row.grade || ""}${row.mode === "move" ? html` <span class="badge">move</span>` : null}</td>
    <td class="right" data-label="Duration">${duration(Math.max(0, ended - row.attempt_started))}</td>
    <td class="right" data-label="Age" title=${exact(row.started)}>${age(now - row.started)}</td></tr>`;
}
