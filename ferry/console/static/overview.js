// The first page: what an operator wants in one look.
import { useEffect } from "preact/hooks";
import { Alert, Empty, Link, Status, age, executionUrl, html, number, plural, size, useLive, useNow, useOnce, visible } from "/static/base.js";
import { Key, stateOf } from "/static/executions.js";
import { runUrl, runsPace } from "/static/runs.js";

const SERIES = [["succeeded", "Succeeded"], ["settled", "Replayed"], ["failed", "Failed"], ["running", "Running"]];

export function Overview({ session }) {
  const { data, error } = useLive("/api/overview", session.poll_seconds);
  const { data: queues, error: queueError, reload } = useOnce("/api/queues");
  const { data: runs, error: runsError } = useLive(session.runs ? "/api/runs" : null, session.on_aws ? 30 : 2 * runsPace(session));
  useEffect(() => { document.title = "S3 Ferry"; }, []);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && reload(), session.on_aws ? 30000 : 4000);
    return () => clearInterval(timer);
  }, []);
  if (!data) return error ? html`<${Alert} error=${error} />` : html`<div class="loading" aria-busy="true"></div>`;
  const waiting = queues?.queues.filter((queue) => !queue.holds_failures).reduce((sum, queue) => sum + queue.waiting + queue.in_flight, 0);
  const letters = queues?.queues.filter((queue) => queue.holds_failures).reduce((sum, queue) => sum + queue.waiting, 0);
  const grades = Object.entries(data.grades).map(([grade, count]) => `${number(count)} ${grade}`).join(", ");
  return html`
    <h1 class="sr">Overview</h1>
    <${Alert} error=${error || data.error} kept=${data.all > 0} />
    <div class="tiles">
      <${Tile} to="/executions?status=running" title="Running" value=${number(data.running_now)} tone=${data.running_now ? "run" : ""} note=${data.unread ? `reading ${plural(data.unread, "execution")}` : "now"} />
      <${Tile} to="/executions?status=failed" title="Failed" value=${number(data.failed_now)} tone=${data.failed_now ? "bad" : "good"} note=${data.failed_now ? "to be replayed" : "nothing to do"} />
      <${Tile} to="/executions?status=succeeded&from=24h" title="Copied and verified" value=${number(data.copied)} note=${`${size(data.bytes)} in 24 hours${data.moved ? `, ${number(data.moved)} moved` : ""}`} detail=${grades} />
      <${Tile} to="/queue" title="Queue" value=${waiting === undefined ? "–" : number(waiting)} note=${queueError ? queueError.message : "uploads waiting"} />
      <${Tile} to="/queue" title="Dead letters" value=${letters === undefined ? "–" : number(letters)} tone=${letters ? "bad" : ""} note=${letters ? "files not transferred" : "none"} />
      ${session.runs ? html`<${LastRun} run=${runs?.runs[0]} error=${runsError} known=${runs} />` : null}
    </div>
    <div class="columns">
      <section class="card" aria-labelledby="hours-title"><h2 id="hours-title">Files per hour</h2><${Hours} hours=${data.hours} /></section>
      <section class="card" aria-labelledby="failures-title"><h2 id="failures-title">Failures by reason</h2><${Failures} data=${data} /></section>
    </div>
    <section class="card" aria-labelledby="recent-title"><h2 id="recent-title">Newest <${Link} to="/executions" class="more">All executions<//></h2>
      ${data.recent.length ? html`<${Recent} rows=${data.recent} />` : data.complete ? html`<${Empty} title="No executions yet."><p>${session.writable ? "Drop a file on this page to upload it" : "Upload a file"} to <code>s3://${session.source_bucket}</code>.</p><//>` : html`<div class="loading" aria-busy="true"></div>`}</section>`;
}

function Tile({ to, title, value, note, detail, tone }) {
  return html`<${Link} to=${to} class="tile ${tone || ""}"><span class="tile-title">${title}</span><span class="tile-value">${value}</span><span class="tile-note">${note}</span>${detail ? html`<span class="tile-note">${detail}</span>` : null}<//>`;
}

function LastRun({ run, error, known }) {
  const now = useNow();
  if (!run) return html`<${Tile} to="/runs" title="Last run" value="–" note=${error ? error.message : known ? "no runs yet" : ""} />`;
  const title = `Last run${run.kind === "run" ? "" : `: ${run.kind}`}`;
  if (run.status === "RUNNING") {
    return html`<${Tile} to=${runUrl(run.run)} title=${title} value=${run.planned === null ? "–" : number(run.planned)} tone="run" note=${run.planned === null ? "running" : "objects to do, running"} />`;
  }
  if (run.kind === "audit") {
    const wrong = (run.counts.missing || 0) + (run.counts.differs || 0) + (run.counts.failed || 0);
    return html`<${Tile} to=${runUrl(run.run)} title=${title} value=${run.failed ? "✕" : number(wrong || run.counts.verified)} tone=${run.failed || wrong ? "bad" : ""} note=${`${visible(run.outcome)}, ${age(now - run.started)} ago`} />`;
  }
  const arrived = Object.entries(run.counts).reduce((sum, [status, count]) => sum + (status === "failed" ? 0 : count), 0);
  return html`<${Tile} to=${runUrl(run.run)} title=${title} value=${run.failed ? (run.counts.failed ? number(run.counts.failed) : "✕") : number(arrived)} tone=${run.failed ? "bad" : ""}
    note=${`${visible(run.outcome)}, ${age(now - run.started)} ago`} />`;
}

const niceTop = (value) => [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000].find((top) => top >= value) || value;
const hourOf = (seconds) => new Date(seconds * 1000).getHours().toString().padStart(2, "0");

function Hours({ hours }) {
  const totals = hours.map((hour) => SERIES.reduce((sum, [name]) => sum + hour[name], 0));
  const top = niceTop(Math.max(...totals, 1));
  const [width, height, left, bottom] = [640, 186, 34, 28];
  const step = (width - left) / hours.length;
  const y = (count) => (height - bottom - 6) * (1 - count / top) + 6;
  const all = totals.reduce((sum, total) => sum + total, 0);
  return html`<figure class="plot"><svg viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`${plural(all, "file")} in the last 24 hours`}>
    ${[0, top / 2, top].filter((tick) => Number.isInteger(tick)).map((tick) => html`<g key=${tick}><line class="grid" x1=${left} x2=${width} y1=${y(tick)} y2=${y(tick)} /><text class="tick" x=${left - 6} y=${y(tick)} dy=".35em" text-anchor="end">${number(tick)}</text></g>`)}
    ${hours.map((hour, index) => {
      let below = 0;
      const words = SERIES.filter(([name]) => hour[name]).map(([name, title]) => `${number(hour[name])} ${title.toLowerCase()}`).join(", ");
      return html`<g key=${hour.begin}><title>${hourOf(hour.begin)}:00, ${words || "none"}</title><rect class="hover" x=${left + index * step} y="0" width=${step} height=${height - bottom} />
        ${SERIES.filter(([name]) => hour[name]).map(([name]) => {
          const [from, to] = [y(below), y(below + hour[name])];
          below += hour[name];
          return html`<rect key=${name} class=${`series ${name}`} x=${left + index * step + step * 0.15} y=${to} width=${step * 0.7} height=${Math.max(1, from - to)} rx="1.5" />`;
        })}
        ${index % 4 === 3 ? html`<text class="tick" x=${left + (index + 0.5) * step} y=${height - 8} text-anchor="middle">${hourOf(hour.begin)}</text>` : null}</g>`;
    })}</svg>
    <figcaption>${SERIES.map(([name, title]) => html`<span key=${name} class=${`legend ${name}`}>${title}</span>`)}</figcaption></figure>`;
}

function Failures({ data }) {
  const now = useNow();
  if (!data.failures.length) return html`<${Empty} title="Nothing has failed." />`;
  return html`<ul class="reasons">${data.failures.map((group) => html`<li key=${`${group.state} ${group.error}`}>
    <span class="reason-count">${number(group.count)}</span>
    <div><strong>${visible(group.error)}</strong> <span class="muted">in ${visible(group.state || "its start")}</span>
      ${group.newest.cause ? html`<p class="clamp">${visible(group.newest.cause)}</p>` : null}
      <p class="small muted">newest: <${Link} to=${executionUrl(group.newest.name)}><${Key} row=${group.newest} /><//>, ${age(now - group.newest.started)} ago</p></div></li>`)}</ul>`;
}

function Recent({ rows }) {
  const now = useNow();
  return html`<ul class="recent">${rows.map((row) => html`<li key=${row.name}><${Status} status=${row.status} group=${row.group} /><${Link} to=${executionUrl(row.name)} class="recent-key"><${Key} row=${row} /><//><span class="muted">${stateOf(row)}</span><span class="right">${size(row.size)}</span><span class="right muted">${age(now - row.started)} ago</span></li>`)}</ul>`;
}
