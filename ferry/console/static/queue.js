// The queues: how many messages wait, and the dead letters with their reasons, which are read only on request.
import { useEffect, useState } from "preact/hooks";
import { Alert, Copy, Empty, Icon, age, call, exact, html, number, toast, useNow, useOnce, visible } from "/static/base.js";

const WITHOUT_REASON = "the starter failed too often; see its log";

export function Queue({ session }) {
  const { data, error, reload } = useOnce("/api/queues");
  const [letters, setLetters] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "Queue · S3 Ferry";
    const timer = setInterval(() => !document.hidden && reload(), session.on_aws ? 15000 : 3000);
    return () => clearInterval(timer);
  }, []);
  const peek = async () => {
    setBusy(true);
    try {
      const found = await call("/api/queues/peek", { method: "POST" });
      setLetters(found.letters);
      found.denied.forEach((reason) => toast(reason, { kind: "error" }));
    } catch (failed) {
      toast(failed.message, { kind: "error" });
    }
    setBusy(false);
  };
  const putBack = async () => {
    setBusy(true);
    try {
      const { lines } = await call("/api/queues/return", { method: "POST" });
      lines.forEach((line) => toast(line));
      setLetters(null);
    } catch (failed) {
      toast(failed.message, { kind: "error" });
    }
    setBusy(false);
    reload();
  };
  const failures = data?.queues.filter((queue) => queue.holds_failures).reduce((sum, queue) => sum + queue.waiting, 0) || 0;
  return html`<div class="heading"><h1>Queue</h1></div>
    <${Alert} error=${error} kept=${data} />
    <div class="tiles">${data?.queues.map((queue) => html`<div key=${queue.name} class="tile ${queue.holds_failures && queue.waiting ? "bad" : ""}">
      <span class="tile-title">${visible(queue.title)}</span>
      ${queue.error ? html`<span class="tile-note reason">${visible(queue.error)}</span>` : html`<span class="tile-value">${number(queue.waiting)}</span>
        <span class="tile-note">${queue.waiting === 1 ? "message waits" : "messages wait"}${queue.in_flight ? `, ${number(queue.in_flight)} in flight` : ""}${queue.oldest_seconds !== null ? `, the oldest for ${age(queue.oldest_seconds)}` : ""}</span>`}
      <span class="tile-note"><code>${visible(queue.name)}</code></span></div>`)}</div>
    <section class="card" aria-labelledby="letters-title"><div class="card-head"><h2 id="letters-title">Dead letters</h2>
      <div class="actions"><button type="button" class="button" disabled=${busy || !failures} onClick=${peek}>${letters ? "Look again" : "Show them"}</button>
        ${session.writable ? html`<button type="button" class="button primary" disabled=${busy || !failures} onClick=${putBack}><${Icon} name="replay" />Put back</button>` : null}</div></div>
      ${failures || letters?.length ? html`<p class="muted">Each one is a file that was not transferred. Fix the cause, then return them to the queue; duplicates do not start a second execution. While shown here, they are briefly hidden from other consumers.</p>` : html`<${Empty} title="No dead letters." />`}
      ${letters?.length ? html`<${Letters} letters=${letters} />` : null}</section>`;
}

function Letters({ letters }) {
  const now = useNow();
  return html`<div class="table-box stacked"><table class="list"><thead><tr><th class="wide">Key</th><th class="wide">Reason</th><th class="right">Sent</th><th class="right">Received</th><th><span class="sr">Message</span></th></tr></thead>
    <tbody>${letters.map((letter) => html`<tr key=${letter.id}><td class="wide">${letter.keys.length ? letter.keys.map((key, index) => html`<div key=${index}><bdi>${visible(key)}</bdi></div>`) : html`<span class="muted clamp">${visible(letter.body.slice(0, 200))}</span>`}</td>
      <td class="wide reason">${visible(letter.reason || WITHOUT_REASON)}</td><td class="right" title=${exact(letter.sent)}>${letter.sent ? `${age(now - letter.sent)} ago` : ""}</td><td class="right" data-label="Received">${letter.receives}<span class="narrow-only"> times received</span></td><td><${Copy} text=${letter.body} label="Copy the message" /></td></tr>`)}</tbody></table></div>`;
}
