// Uploads: files dropped anywhere on the page, or chosen; each under a key that can be changed first.
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, Link, html, size, toast, token, visible } from "/static/base.js";

// As `ferry upload` does: each file gets a folder, and so a table, of its own.
const defaultKey = (name) => `${name.slice(0, 1)}${name.slice(1).split(".")[0]}/${name}`;
const CHOSEN = "ferry-files";

const choose = (files) => dispatchEvent(new CustomEvent(CHOSEN, { detail: [...files] }));

export function UploadButton() {
  const input = useRef();
  return html`<button type="button" class="button primary" onClick=${() => input.current.click()}><${Icon} name="upload" /><span class="wide-only">Upload</span></button>
    <input ref=${input} type="file" multiple hidden aria-label="Files to upload" onChange=${(event) => { choose(event.target.files); event.target.value = ""; }} />`;
}

let nextId = 1;

export function Uploads({ session }) {
  const [over, setOver] = useState(false);
  const [chosen, setChosen] = useState([]);
  const [sending, setSending] = useState([]);
  useEffect(() => {
    let depth = 0;
    const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    const handlers = {
      dragenter: (event) => { if (hasFiles(event)) { event.preventDefault(); depth += 1; setOver(true); } },
      dragover: (event) => { if (hasFiles(event)) event.preventDefault(); },
      dragleave: (event) => { if (hasFiles(event)) { depth -= 1; if (depth <= 0) setOver(false); } },
      drop: (event) => { if (!hasFiles(event)) return; event.preventDefault(); depth = 0; setOver(false); choose(event.dataTransfer.files); },
      [CHOSEN]: (event) => setChosen((old) => [...old, ...event.detail.map((file) => ({ id: nextId++, file, key: defaultKey(file.name) }))]),
    };
    Object.entries(handlers).forEach(([name, handler]) => addEventListener(name, handler));
    return () => Object.entries(handlers).forEach(([name, handler]) => removeEventListener(name, handler));
  }, []);
  const update = (id, changes) => setSending((old) => old.map((each) => (each.id === id ? { ...each, ...changes } : each)));
  const send = () => {
    const items = chosen.map((item) => ({ ...item, sent: 0, state: "sending" }));
    setSending((old) => [...old, ...items]);
    setChosen([]);
    // One after the other: a browser has few connections, and the live data needs one.
    items.reduce((before, item) => before.then(() => put(item, update)), Promise.resolve());
  };
  return html`
    ${over ? html`<div class="drop" aria-hidden="true"><div><${Icon} name="upload" /><p>Drop to upload to <code>${session.source_bucket}</code></p></div></div>` : null}
    ${chosen.length ? html`<${Dialog} items=${chosen} session=${session} setItems=${setChosen} send=${send} />` : null}
    ${sending.length ? html`<section class="tray" aria-label="Uploads"><div class="card-head"><h2>Uploads</h2><button type="button" class="button icon-only small" aria-label="Close" disabled=${sending.some((item) => item.state === "sending")} onClick=${() => setSending([])}><${Icon} name="close" /></button></div>
      <ul>${sending.map((item) => html`<li key=${item.id}><div class="tray-line"><bdi class="tray-key">${visible(item.key)}</bdi><span class="muted small">${item.state === "sending" ? `${size(item.sent)} of ${size(item.file.size)}` : item.state === "done" ? size(item.file.size) : ""}</span></div>
        ${item.state === "sending" ? html`<progress max=${item.file.size || 1} value=${item.sent} aria-label=${`Upload of ${visible(item.key)}`}></progress>` : null}
        ${item.state === "done" ? html`<p class="small ${item.skipped ? "warn" : ""}">${item.skipped ? visible(item.skipped) : html`Uploaded. <${Link} to=${`/executions?key=${encodeURIComponent(item.key)}`}>Follow it<//>`}</p>` : null}
        ${item.state === "failed" ? html`<p class="small reason">${visible(item.error)}</p>` : null}</li>`)}</ul></section>` : null}`;
}

function Dialog({ items, session, setItems, send }) {
  const dialog = useRef();
  useEffect(() => { dialog.current.showModal(); }, []);
  const change = (id, key) => setItems((old) => old.map((item) => (item.id === id ? { ...item, key } : item)));
  return html`<dialog ref=${dialog} class="card" aria-labelledby="upload-title" onCancel=${() => setItems([])} onClose=${() => setItems([])}>
    <h2 id="upload-title">Upload to ${session.source_bucket}</h2>
    <p class="muted">The first folder of a key is its table.</p>
    <form onSubmit=${(event) => { event.preventDefault(); send(); }}>
      ${items.map((item) => html`<label key=${item.id} class="upload-item"><span>${visible(item.file.name)} <span class="muted">${size(item.file.size)}</span></span>
        <input type="text" value=${item.key} required maxlength="1024" aria-label=${`Key of ${visible(item.file.name)}`} onInput=${(event) => change(item.id, event.target.value)} /></label>`)}
      <div class="actions"><button type="submit" class="button primary" autofocus>Upload</button><button type="button" class="button" onClick=${() => setItems([])}>Cancel</button></div></form></dialog>`;
}

function put(item, update) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const failed = (error) => {
      update(item.id, { state: "failed", error });
      toast(`${item.key}: ${error}`, { kind: "error" });
    };
    request.open("PUT", `/api/upload?key=${encodeURIComponent(item.key)}`);
    request.setRequestHeader("X-Ferry-Token", token());
    request.upload.onprogress = (event) => update(item.id, { sent: event.loaded });
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* Not ours. */ }
      if (request.status === 200) update(item.id, { state: "done", skipped: answer.skipped });
      else failed(answer.error || `The console returned status ${request.status}.`);
    };
    request.onerror = () => failed("The console is not responding.");
    request.onloadend = resolve;
    request.send(item.file);
  });
}
