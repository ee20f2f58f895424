// Reads a token a line, and says of each whether auth0/go-jwt-middleware accepts it: main URL [SECONDS].
package main

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
)

func main() {
	address, err := url.Parse(os.Args[1])
	if err != nil {
		panic(err)
	}
	var cached time.Duration // 0: the library's own default
	if len(os.Args) > 2 {
		seconds, err := strconv.ParseFloat(os.Args[2], 64)
		if err != nil {
			panic(err)
		}
		cached = time.Duration(seconds * float64(time.Second))
	}
	issuer, _ := url.Parse("https://api.example.com")
	provider := jwks.NewCachingProvider(issuer, cached, jwks.WithCustomJWKSURI(address))
	checks, err := validator.New(provider.KeyFunc, validator.ES256, issuer.String(), []string{"api"})
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if _, err := checks.ValidateToken(context.Background(), lines.Text()); err != nil {
			fmt.Println("refused: " + strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("accepted")
		}
	}
}
