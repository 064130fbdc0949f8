// Brings the page up to date in place; when Muster can't be reached, says so instead of looking fresh.
"use strict";
(() => {
  const seconds = Number(document.body.dataset.refresh) || 10;
  const notice = document.getElementById("offline");
  let fresh = new Date();

  const opened = () => new Set([...document.querySelectorAll("details[open][id]")].map((each) => each.id));

  function busy() {
    const at = document.activeElement;
    const written = [...document.querySelectorAll("main textarea, main form.act input")].some((each) => each.value !== each.defaultValue);
    return written || (at && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName)) || String(getSelection()).length > 0;
  }

  function replace(text) {
    const next = new DOMParser().parseFromString(text, "text/html");
    const main = next.getElementById("main");
    if (!main) throw new Error("no page");
    const open = opened();
    document.title = next.title;
    document.getElementById("main").replaceWith(document.adoptNode(main));
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  }

  function offline(is) {
    document.body.classList.toggle("stale", is);
    notice.hidden = !is;
    notice.textContent = is ? notice.dataset.text.replace("{time}", fresh.toLocaleTimeString()) : "";
  }

  async function refresh() {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const text = await answer.text();
      offline(false);
      if (busy()) return;
      replace(text);
      fresh = new Date();
    } catch {
      offline(true);
    }
  }

  setInterval(refresh, seconds * 1000);
  document.addEventListener("visibilitychange", refresh);
})();
