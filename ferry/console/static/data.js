// The tables of the catalogue with sample rows, a query box, and the crawls.
import { useEffect, useRef, useState } from "preact/hooks";
import { Alert, Denied, Empty, Icon, Link, age, call, duration, html, number, plural, size, useNow, useOnce, visible } from "/static/base.js";

const PAUSE = 400;

export function Data({ table, session }) {
  const { data, error, loading, reload } = useOnce("/api/tables");
  useEffect(() => { document.title = "Data · S3 Ferry"; }, []);
  const tables = data?.tables || [];
  const chosen = table || tables[0]?.name;
  return html`<div class="heading"><h1>Data</h1><span class="muted">${data ? `${plural(tables.length, "table")} in ${session.database}` : ""}</span>
      <button type="button" class="button small" onClick=${reload}>Reload</button></div>
    <${Alert} error=${error} kept=${tables.length > 0} />
    ${data && !tables.length ? html`<${Empty} title="No tables yet."><p>A CSV, JSON or Parquet file in a folder becomes a table once it is copied.</p><//>` : null}
    ${tables.length ? html`<div class="split data">
      <nav class="card table-list" aria-label="Tables"><ul>${tables.map((each) => html`<li key=${each.name}><${Link} to=${`/data/${encodeURIComponent(each.name)}`} aria-current=${each.name === chosen ? "page" : null}>
        <span>${visible(each.name)}</span><span class="muted small">${plural(each.columns.length, "column")}${each.keys.length ? ", partitioned" : ""}</span><//></li>`)}</ul></nav>
      <div class="side">${chosen ? html`<${Table} key=${chosen} name=${chosen} session=${session} />` : null}</div></div>` : null}
    ${loading && !data ? html`<div class="loading" aria-busy="true"></div>` : null}
    <${Crawls} />`;
}

function Table({ name, session }) {
  const { data, error } = useOnce(`/api/tables/${encodeURIComponent(name)}`);
  const [shown, setShown] = useState("columns");
  if (error) return html`<${Alert} error=${error} />`;
  if (!data) return html`<div class="loading" aria-busy="true"></div>`;
  const columns = [...data.columns, ...data.keys.map((key) => ({ ...key, key: true }))];
  return html`<${Denied} reasons=${data.denied} /><${Query} key=${name} first=${data.sample} session=${session} runs=${!session.on_aws} title=${name} />
    <section class="card" aria-labelledby="columns-title"><div class="card-head"><h2 id="columns-title">${visible(data.name)}</h2>
      <div class="tabs"><button type="button" class="tab-button" aria-pressed=${shown === "columns"} onClick=${() => setShown("columns")}>${plural(columns.length, "column")}</button>
      ${data.keys.length ? html`<button type="button" class="tab-button" aria-pressed=${shown === "partitions"} onClick=${() => setShown("partitions")}>${plural(data.partitions.length, "partition")}</button>` : null}</div></div>
      <p class="muted small"><code>${visible(data.location)}</code> ${data.format ? html`<span class="badge">${visible(data.format)}</span>` : null}</p>
      ${shown === "columns" ? html`<div class="table-box"><table class="list compact"><thead><tr><th>Column</th><th>Type</th></tr></thead><tbody>${columns.map((column, index) => html`<tr key=${index}><td><bdi>${visible(column.name)}</bdi></td><td class="muted">${visible(column.type)}${column.key ? html` <span class="badge">partition key</span>` : null}</td></tr>`)}</tbody></table></div>`
        : html`<div class="table-box"><table class="list compact"><thead><tr>${data.keys.map((key, index) => html`<th key=${index}>${visible(key.name)}</th>`)}</tr></thead><tbody>${data.partitions.map((values, index) => html`<tr key=${index}>${values.map((value, place) => html`<td key=${place}><bdi>${visible(value)}</bdi></td>`)}</tr>`)}</tbody></table></div>`}
    </section>`;
}

function Query({ first, session, runs }) {
  const [sql, setSql] = useState(first);
  const [state, setState] = useState({ phase: "idle" });
  const running = useRef(null);
  const run = async () => {
    const turn = {};
    running.current = turn;
    setState({ phase: "running", began: Date.now() });
    try {
      const { id } = await call("/api/queries", { method: "POST", body: { sql } });
      turn.id = id;
      for (;;) {
        const found = await call(`/api/queries/${encodeURIComponent(id)}`);
        if (running.current !== turn) return;
        if (!found.pending) {
          setState(found.state === "SUCCEEDED" ? { phase: "done", found } : { phase: "failed", error: found.reason || found.state });
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    } catch (error) {
      if (running.current === turn) setState({ phase: "failed", error: error.message });
    }
  };
  const cancel = async () => {
    const turn = running.current;
    running.current = null;
    setState({ phase: "failed", error: "The query was cancelled." });
    if (turn?.id) await call(`/api/queries/${encodeURIComponent(turn.id)}`, { method: "DELETE" }).catch(() => {});
  };
  // On AWS a query costs money, so it waits for a person.
  useEffect(() => { if (runs) run(); return () => { running.current = null; }; }, []);
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  };
  const { phase, found } = state;
  return html`<section class="card query" aria-labelledby="query-title"><div class="card-head"><h2 id="query-title">Query</h2><span class="muted small">SELECT, WITH or VALUES; Ctrl+Enter runs it${session.on_aws ? ". Athena charges for the bytes scanned" : ""}</span></div>
    <textarea aria-label="SQL" spellcheck="false" rows="3" value=${sql} onInput=${(event) => setSql(event.target.value)} onKeyDown=${keys}></textarea>
    <div class="actions">${phase === "running" ? html`<button type="button" class="button" onClick=${cancel}>Cancel</button><span class="spinner" role="status">Running…</span>` : html`<button type="button" class="button primary" onClick=${run}>Run</button>`}
      ${phase === "done" ? html`<span class="muted">${plural(found.rows.length, "row")}${found.more ? " shown, there are more" : ""} in ${duration(found.seconds)}${session.on_aws || found.scanned_bytes ? `, ${size(found.scanned_bytes)} scanned` : ""}</span>` : null}</div>
    ${phase === "failed" ? html`<${Alert} error=${state.error} />` : null}
    ${phase === "done" ? html`<div class="table-box results" role="region" aria-label="Rows" tabindex="0"><table class="list compact"><thead><tr>${found.columns.map((column, index) => html`<th key=${index} title=${visible(column.type)}>${visible(column.name)}</th>`)}</tr></thead>
      <tbody>${found.rows.map((row, index) => html`<tr key=${index}>${row.map((cell, place) => html`<td key=${place}>${cell === null ? html`<span class="null">NULL</span>` : html`<bdi>${visible(cell)}</bdi>`}</td>`)}</tr>`)}</tbody></table></div>` : null}
  </section>`;
}

function Crawls() {
  const { data, error, reload } = useOnce("/api/crawls");
  const now = useNow();
  if (error) return html`<section class="card" aria-labelledby="crawls-title"><h2 id="crawls-title">Crawls</h2><${Alert} error=${error} /></section>`;
  if (!data?.crawls.length) return null;
  return html`<section class="card" aria-labelledby="crawls-title"><div class="card-head"><h2 id="crawls-title">Crawls</h2><button type="button" class="button small" onClick=${reload}>Reload</button></div>
    <div class="table-box"><table class="list compact"><thead><tr><th>State</th><th class="right">Began</th><th class="right">Took</th><th class="wide">Message</th></tr></thead>
    <tbody>${data.crawls.map((crawl, index) => html`<tr key=${index}><td class=${crawl.state === "FAILED" ? "reason" : ""}>${visible(crawl.state.toLowerCase())}</td><td class="right">${age(now - crawl.started)} ago</td><td class="right">${crawl.seconds === null ? "" : duration(crawl.seconds)}</td><td class="wide">${visible(crawl.error)}</td></tr>`)}</tbody></table></div></section>`;
}
