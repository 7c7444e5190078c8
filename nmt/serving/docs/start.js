// Show the interface in Swagger UI. The text in the page stays if its files are not installed.
if (window.SwaggerUIBundle) {
  window.SwaggerUIBundle({ url: "openapi.json", dom_id: "#documentation", deepLinking: false });
}
