// The page of the API's document: Swagger UI in the frame of the pages, in the same colours.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
const place = document.getElementById("api");
SwaggerUIBundle({ url: place.dataset.document, dom_id: "#api", deepLinking: true, validatorUrl: null });
