// What pages can do with scripts; each works without them.

// A link that opens a dialog in place of the page it leads to.
for (const link of document.querySelectorAll("[data-dialog]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    document.getElementById(link.dataset.dialog).showModal();
  });
}
for (const button of document.querySelectorAll("dialog [data-close]")) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    button.closest("dialog").close();
  });
}

// Escape closes the menu of the user, and leaves the focus where it was opened.
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector(".who details[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// A form is sent once, however often its button is pressed; going back in the history makes it new.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  else if (event.target.method === "post") event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Times in words, as the server writes them: [data-ends] holds the end of a time that is left, [data-relative] is a
// moment since or until now.
const language = document.documentElement.lang;
const YEARS = [["year", 31536000], ["month", 2592000], ["week", 604800]];
const UNITS = [...YEARS, ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const rounded = (seconds, threshold) => {
  const [unit, length] = UNITS.find(([, size]) => seconds >= size * threshold) ?? UNITS.at(-1);
  return [Math.round(seconds / length), unit];
};
const inUnit = (number, unit) =>
  new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short" }).format(number);
const span = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  if (whole >= 60 && whole < 600 && whole % 60) {
    return `${inUnit(Math.floor(whole / 60), "minute")} ${inUnit(whole % 60, "second")}`;
  }
  return inUnit(...rounded(whole, whole < 600 ? 1 : 1.5));
};
const relative = (seconds) => {
  const [number, unit] = rounded(Math.abs(seconds), 0.85);
  return new Intl.RelativeTimeFormat(language).format(seconds < 0 ? -number : number, unit);
};
const write = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
const keepTime = () => {
  const left = (moment) => (Date.parse(moment) - Date.now()) / 1000;
  for (const element of document.querySelectorAll("[data-ends]")) write(element, span(left(element.dataset.ends)));
  for (const element of document.querySelectorAll("[data-relative]")) write(element, relative(left(element.dateTime)));
};
setInterval(keepTime, 1000);
keepTime();

// A part of the page that the server renders anew when something has changed. A hidden tab closes its stream, since a
// browser opens only six connections to a host.
for (const part of document.querySelectorAll("[data-live]")) {
  let stream;
  const show = (text) => {
    const focused = document.activeElement?.id;
    part.innerHTML = text;
    if (focused) document.getElementById(focused)?.focus();
    keepTime();
  };
  const open = () => {
    if (stream || part.dataset.over) return;
    stream = new EventSource(part.dataset.live);
    stream.addEventListener("part", (event) => show(event.data));
    // A browser connects again by itself after a lost connection, but not after an answer such as 503.
    stream.addEventListener("error", () => {
      if (stream?.readyState !== EventSource.CLOSED) return;
      stream = undefined;
      setTimeout(() => document.hidden || open(), 5000);
    });
    stream.addEventListener("over", (event) => {
      if (event.data) show(event.data);
      part.dataset.over = "yes";
      close();
    });
  };
  const close = () => {
    stream?.close();
    stream = undefined;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  if (!document.hidden) open();
}

// A list whose newest rows come by themselves, until somebody pauses it. After a pause, or where the stream cannot go
// on, the page's own list is read anew.
const tail = document.getElementById("tail");
const followTail = () => {
  const control = document.getElementById("tail-control");
  const state = control.querySelector("[role=status]");
  const button = control.querySelector("button");
  const words = [button.textContent, button.dataset.go];
  let stream, isPaused = false, wait = 5000;
  const say = (name) => write(state, state.dataset[name]);
  const put = (rows, fresh) => {
    if (!rows.length) return;
    tail.prepend(...rows);
    while (tail.rows.length > 200) tail.lastElementChild.remove();
    tail.closest("table").hidden = false;
    document.getElementById("tail-empty")?.remove();
    for (const row of rows) row.classList.toggle("fresh", fresh);
    keepTime();
  };
  const parsed = (text) => {
    const template = document.createElement("template");
    template.innerHTML = text;
    return [...template.content.children];
  };
  const close = () => {
    stream?.close();
    stream = undefined;
  };
  const open = () => {
    if (stream || isPaused || document.hidden) return;
    stream = new EventSource(tail.dataset.stream);
    stream.addEventListener("open", () => {
      wait = 5000;
      say("following");
    });
    stream.addEventListener("rows", (event) => put(parsed(event.data), true));
    stream.addEventListener("error", () => {
      say("away");
      if (stream?.readyState !== EventSource.CLOSED) return;
      close();
      setTimeout(renew, wait);
      wait = Math.min(wait * 2, 60000);
    });
  };
  const renew = async () => {
    if (stream || isPaused || document.hidden) return;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => undefined);
    const page = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page && page.getElementById("tail");
    if (found) {
      tail.replaceChildren();
      tail.dataset.stream = found.dataset.stream;
      put([...found.children], false);
    }
    open();
  };
  button.addEventListener("click", () => {
    isPaused = !isPaused;
    write(button, words[Number(isPaused)]);
    say(isPaused ? "paused" : "following");
    if (isPaused) close();
    else renew();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : renew()));
  addEventListener("pagehide", close);
  control.hidden = false;
  open();
};
if (tail?.dataset.stream) followTail();

// A page that shows many deletions is read again every few seconds while it is seen, until all are over.
const again = document.querySelector("[data-again]");
const readAgain = async () => {
  if (!document.hidden) {
    const answer = await fetch(again.dataset.again, { headers: { accept: "text/html" } }).catch(() => undefined);
    const part = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(again.id);
    if (part) {
      const focused = document.activeElement?.id;
      again.innerHTML = part.innerHTML;
      if (focused) document.getElementById(focused)?.focus();
      if (!part.dataset.again) return;
    }
  }
  setTimeout(readAgain, 3000);
};
if (again) setTimeout(readAgain, 1500);

// Keys: / goes to the search, j and k move through the rows, Enter opens one, ? shows these.
let at = -1;
document.addEventListener("keydown", (event) => {
  const inField = event.target.closest("input, textarea, select, dialog, [contenteditable]");
  if (inField || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  } else if (event.key === "j" || event.key === "k") {
    const rows = document.querySelectorAll("tbody tr:has(a.name)");
    if (!rows.length) return;
    at = Math.min(rows.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)));
    rows[at].querySelector("a.name").focus();
  } else if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  }
});
