// The page of the API's document: Swagger UI in the frame of the pages, in the same colours.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
const place = document.getElementById("api");
SwaggerUIBundle({ url: place.dataset.document, dom_id: "#api", deepLinking: true, validatorUrl: null });

// Swagger UI has a main landmark and headings of its own, a list without a name, and links inside of buttons. Inside of
// our frame these confuse readers of the page by ear. It draws its parts late, so this is done after each of its changes.
const mend = () => {
  const operations = document.getElementById("operations");
  operations?.setAttribute("role", "region");
  operations?.setAttribute("aria-label", place.dataset.operations);
  document.getElementById("servers")?.setAttribute("aria-label", place.dataset.servers);
  for (const heading of place.querySelectorAll("h3.opblock-tag, .models h4")) heading.setAttribute("aria-level", "2");
  for (const link of place.querySelectorAll(".opblock-summary-control a[href]")) link.removeAttribute("href");
};
new MutationObserver(() => requestAnimationFrame(mend)).observe(place, { childList: true, subtree: true });
