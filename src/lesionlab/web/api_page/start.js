/** Starts the page of the API, which Swagger UI renders from the description of this server. */

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  // The validator of its makers is on another host.
  validatorUrl: null,
});
